/**
 * Which endpoints does one EndpointSlice (discovery.k8s.io/v1) hold? Those that serve, and those that end and still
 * serve (draining); what is not ready is none. The field `ready` says so, and is true for a service that publishes
 * addresses that are not ready.
 */
import { type Endpoint, endpointKey, type Labels, makeEndpoint } from '../../core/endpoint.ts';

/** Which port of a slice calls go to. */
export interface PortChoice {
  /** Of the port, where a service has several. */
  readonly name: string;
  /** From the URL; undefined without. */
  readonly number: number | undefined;
}

/** The kind of the addresses of a slice, preferred first. */
export const addressTypes = ['IPv4', 'IPv6', 'FQDN'] as const;

export type AddressType = (typeof addressTypes)[number];

/** What was understood of a slice. */
export interface Slice {
  readonly addressType: AddressType;
  /** Whether it names any address, be it ready or not. */
  readonly hasAddresses: boolean;
  /** By their keys. */
  readonly endpoints: ReadonlyMap<string, Endpoint>;
}

/** `eu-west-1a`, `europe-west1-b` and `westeurope-2`: AWS, Google Cloud and Azure. */
const zoneForms = [/^([a-z]{2}(?:-[a-z]+)+-\d+)[a-z]$/, /^([a-z]+-[a-z]+\d+)-[a-z]$/, /^([a-z]+\d*)-\d$/];

/** A port of a slice; null or missing fields have no value. */
interface SlicePort {
  readonly name?: string | null;
  readonly port?: number | null;
  readonly protocol?: string | null;
  readonly appProtocol?: string | null;
}

interface SliceEndpoint {
  readonly addresses?: readonly string[] | null;
  readonly conditions?: { ready?: boolean | null; serving?: boolean | null; terminating?: boolean | null } | null;
  readonly nodeName?: string | null;
  readonly zone?: string | null;
  readonly hints?: { forZones?: readonly { name: string }[] | null } | null;
}

/** Reads a slice as the server sent it; a text that says what is wrong with it when it is none. */
export function readSlice(object: unknown, choice: PortChoice): Slice | string {
  const { addressType, endpoints, ports } = (object ?? {}) as Record<string, unknown>;
  const type = addressTypes.find((known) => known === addressType);
  if (type === undefined) return `addressType is ${JSON.stringify(addressType)}; allowed: ${addressTypes.join(', ')}`;
  // A slice without endpoints may have no ports either, and both may be null.
  if (!isList(endpoints) || !isList(ports)) return 'its endpoints or ports are no list';
  const found = new Map<string, Endpoint>();
  if (endpoints === undefined || endpoints === null || endpoints.length === 0) {
    return { addressType: type, hasAddresses: false, endpoints: found };
  }
  const port = choosePort((ports ?? []).filter(isObject), choice);
  if (typeof port === 'string') return port;
  for (const [index, one] of endpoints.entries()) {
    const endpoint = isObject(one) ? readEndpoint(one, port) : `is no object`;
    if (typeof endpoint === 'string') return `endpoints[${index}] ${endpoint}`;
    if (endpoint !== undefined) found.set(endpointKey(endpoint), endpoint);
  }
  return { addressType: type, hasAddresses: true, endpoints: found };
}

/**
 * With a port in the URL the one of that number, because nothing else tells what the caller means. Then the one of the
 * name, the only one, and the first that calls itself HTTP.
 */
function choosePort(all: readonly SlicePort[], { name, number }: PortChoice): number | string {
  const ports = all.filter(({ protocol }) => (protocol ?? 'TCP') === 'TCP');
  const chosen =
    (number === undefined ? ports.find((port) => port.name === name) : ports.find(({ port }) => port === number)) ??
    (ports.length === 1 ? ports[0] : undefined) ??
    (number === undefined ? ports.find(isHttp) : undefined);
  if (typeof chosen?.port === 'number') return chosen.port;
  const wanted = number === undefined ? `is named ${name}` : `has the number ${number}`;
  const known = ports.map((port) => `${port.name || 'unnamed'} ${port.port ?? 'without a number'}`).join(', ');
  return `none of its TCP ports ${wanted}; it has: ${known === '' ? 'none' : known}`;
}

function isHttp({ name, appProtocol }: SlicePort): boolean {
  return name?.startsWith('http') === true || appProtocol?.startsWith('http') === true;
}

/** The endpoint; undefined for one that gets no calls, a text for nonsense. */
function readEndpoint({ addresses, conditions, nodeName, zone, hints }: SliceEndpoint, port: number) {
  // All addresses of an endpoint are of one pod; any of them will do.
  const host = addresses?.[0];
  if (typeof host !== 'string') return 'has no address';
  const isReady = conditions?.ready ?? true;
  const isDraining = !isReady && conditions?.serving === true && conditions.terminating === true;
  if (!isReady && !isDraining) return undefined;
  return makeEndpoint({
    host,
    port,
    labels: labelsOf(nodeName, zone, hints),
    locality: zone ? zoneLocality(zone) : '',
    state: isDraining ? 'draining' : 'serving',
  });
}

function labelsOf(node: SliceEndpoint['nodeName'], zone: SliceEndpoint['zone'], hints: SliceEndpoint['hints']): Labels {
  const zones = hints?.forZones?.map(({ name }) => name) ?? [];
  return {
    ...(node ? { node } : undefined),
    ...(zone ? { zone } : undefined),
    ...(zones.length === 0 ? undefined : { 'zone-hint': zones.join(',') }),
  };
}

/**
 * `region/zone`. A slice names the zone alone; in the form that a large cloud gives it, it begins with its region. Any
 * other zone is taken for a region of its own.
 */
function zoneLocality(zone: string): string {
  const region = zoneForms.map((form) => form.exec(zone)?.[1]).find((found) => found !== undefined);
  return `${region ?? zone}/${zone}`;
}

function isList(value: unknown): value is readonly unknown[] | null | undefined {
  return value === undefined || value === null || Array.isArray(value);
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
