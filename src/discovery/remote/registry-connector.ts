/**
 * How does a registry client connect? Without keeping the process alive: a watch is open for as long as the process
 * runs, and must not be the reason that it runs. Certificates are read for each connection, so that renewed files count.
 */
import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import type { buildConnector as Build } from 'undici';
import { MeshError } from '../../core/errors.ts';
import { buildConnector } from '../../core/undici.ts';

/** How a connection to a registry is secured. */
export interface RegistryTls {
  /** PEM of the authorities to trust, or a path of it; those of Node when undefined. */
  readonly ca?: string | undefined;
  /** PEM of our certificate, or a path of it. */
  readonly cert?: string | undefined;
  /** PEM of our private key, or a path of it. */
  readonly key?: string | undefined;
  /** The name that the certificate must be for. Default: the host. */
  readonly serverName?: string | undefined;
}

/** An error before anything was sent. */
const connectErrors = new WeakSet<object>();

/** Whether `error` says that there was no connection, so that nothing was sent. */
export function isConnectError(error: unknown): boolean {
  return typeof error === 'object' && error !== null && connectErrors.has(error);
}

/**
 * Makes a connector for undici.
 *
 * @param connectTimeoutMs how long a connection may take, in ms.
 */
export function registryConnector(tls: RegistryTls | undefined, connectTimeoutMs: number): Build.connector {
  const settings = { timeout: connectTimeoutMs, keepAliveInitialDelay: 15_000 };
  return (options, callback) => {
    const failed = (error: Error) => {
      connectErrors.add(error);
      callback(error, null);
    };
    let connect: Build.connector;
    try {
      connect = buildConnector(tls === undefined ? settings : { ...settings, ...read(tls) });
    } catch (error) {
      failed(error as Error);
      return;
    }
    const socket = connect(options, (...[error, connected]) => {
      if (error === null) callback(null, connected);
      else failed(error);
    }) as unknown as Socket;
    socket.unref();
    // undici refs a socket with each request.
    socket.ref = () => socket;
  };
}

function read({ ca, cert, key, serverName }: RegistryTls) {
  return {
    ...(ca === undefined ? undefined : { ca: pem(ca, 'ca') }),
    ...(cert === undefined ? undefined : { cert: pem(cert, 'cert') }),
    ...(key === undefined ? undefined : { key: pem(key, 'key') }),
    ...(serverName === undefined ? undefined : { servername: serverName }),
  };
}

function pem(textOrPath: string, what: string): string {
  if (textOrPath.includes('-----BEGIN')) return textOrPath;
  try {
    return readFileSync(textOrPath, 'utf8');
  } catch (cause) {
    throw new MeshError('INMESH_REGISTRY', `${what} ${textOrPath}: ${(cause as Error).message}`, { cause });
  }
}
