import { isIPv6 } from 'node:net';

/**
 * What is an endpoint? An address of a service as the registry gives it. It has no state: what the mesh learns about it
 * (load, latency, ejection, connections) lives in the {@link import('./member.ts').Member}.
 */

/** Labels of an endpoint, such as `{ version: 'v1' }`; subsets select by them. */
export type Labels = Readonly<Record<string, string>>;

/** An address of a service. */
export interface Endpoint {
  /** A name or an IP address without brackets; empty for a unix socket. */
  readonly host: string;
  /** 1–65535; 0 for a unix socket. */
  readonly port: number;
  /** The path of a unix socket. */
  readonly socketPath?: string;
  readonly labels: Labels;
  /** `region/zone/subzone`, or empty. */
  readonly locality: string;
  /** Relative share of the traffic, an integer ≥ 0; 0 gets none while another endpoint has some. Default 1. */
  readonly weight: number;
  /** A draining endpoint gets no new calls. */
  readonly state: 'serving' | 'draining';
}

/** The key of an endpoint: `host:port`, `[::1]:80` or `unix:/path`. Equal keys are the same member. */
export function endpointKey(endpoint: Pick<Endpoint, 'host' | 'port' | 'socketPath'>): string {
  if (endpoint.socketPath !== undefined) return `unix:${endpoint.socketPath}`;
  return endpoint.host.includes(':') ? `[${endpoint.host}]:${endpoint.port}` : `${endpoint.host}:${endpoint.port}`;
}

/** What {@link parseAddress} accepts, for error messages. */
export const addressForms = 'host:port, [::1]:port or unix:/path';

const hostName = /^(?!-)[A-Za-z0-9_-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9_-]{1,63}(?<!-))*\.?$/;

/**
 * Reads `host:port`, `[::1]:port` or `unix:/path`.
 *
 * @returns the parts, or `undefined` when the text is none of these.
 */
export function parseAddress(text: string): Pick<Endpoint, 'host' | 'port' | 'socketPath'> | undefined {
  if (text.startsWith('unix:')) {
    const socketPath = text.slice('unix:'.length);
    return socketPath.startsWith('/') && !socketPath.includes('\0') ? { host: '', port: 0, socketPath } : undefined;
  }
  const separator = text.lastIndexOf(':');
  const portText = text.slice(separator + 1);
  if (separator <= 0 || !/^\d{1,5}$/.test(portText)) return undefined;
  const port = Number(portText);
  if (port < 1 || port > 65535) return undefined;
  const hostText = text.slice(0, separator);
  if (hostText.startsWith('[')) {
    const host = hostText.slice(1, -1);
    return hostText.endsWith(']') && isIPv6(host) ? { host, port } : undefined;
  }
  // A last label that is a number makes an IPv4 address, or nothing that can be connected to: 300.0.0.1.
  const valid = hostText.length <= 253 && hostName.test(hostText) && URL.canParse(`http://${hostText}`);
  return valid ? { host: hostText, port } : undefined;
}

/** Makes an endpoint of the parts that a registry has, with the defaults for the rest. Frozen. */
export function makeEndpoint(parts: Pick<Endpoint, 'host' | 'port'> & Partial<Endpoint>): Endpoint {
  return Object.freeze({
    host: parts.host,
    port: parts.port,
    ...(parts.socketPath === undefined ? undefined : { socketPath: parts.socketPath }),
    labels: parts.labels ?? {},
    locality: parts.locality ?? '',
    weight: parts.weight ?? 1,
    state: parts.state ?? 'serving',
  });
}

/** Whether two endpoints of the same key carry the same data. */
export function sameEndpoint(a: Endpoint, b: Endpoint): boolean {
  if (a === b) return true;
  if (a.weight !== b.weight || a.locality !== b.locality || a.state !== b.state) return false;
  const names = Object.keys(a.labels);
  return (
    endpointKey(a) === endpointKey(b) &&
    names.length === Object.keys(b.labels).length &&
    names.every((name) => a.labels[name] === b.labels[name])
  );
}
