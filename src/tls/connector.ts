/**
 * How does a pool get a secured connection? From a connector of its own. Never shared: undici keeps sessions by server
 * name without the port, and Node does not check the identity on a resumed session, so one pool's sessions could carry
 * another's peers. For the same reason no session is kept at all; a pool keeps its connections instead.
 */
import { isIP } from 'node:net';
import type { buildConnector as Connectors } from 'undici';
import { MeshError } from '../core/errors.ts';
import { buildConnector } from '../core/undici.ts';
import type { TlsMaterial } from './certificate-source.ts';
import { peerVerifier } from './peer-verification.ts';
import { tlsConnectError } from './tls-errors.ts';
import type { TlsOptions } from './tls-options.ts';

/** What a connector is made of. */
export interface TlsConnectorOptions {
  readonly tls: TlsOptions;
  /** A change of it takes a new pool with a new connector; the old pool is closed when its requests are done. */
  readonly material: TlsMaterial;
  /** The host of the service; the certificate is for it unless `sni` or `subjectAltNames` say otherwise. */
  readonly serviceHost: string;
  /** In ms, handshake included. */
  readonly connectTimeoutMs: number;
  /** Whether to offer HTTP/2 by ALPN. */
  readonly h2: boolean;
  /** The path of a unix socket, for an endpoint that is one. */
  readonly socketPath?: string | undefined;
}

/**
 * A connector for the pool of one endpoint. It refuses a connection without TLS, and calls back with `INMESH_TLS` or
 * `INMESH_IDENTITY` when the handshake fails, with errors of the network as they are.
 *
 * @throws MeshError `INMESH_OPTION` when `subjectAltNames` are not valid.
 */
export function tlsConnector(options: TlsConnectorOptions): Connectors.connector {
  const { tls, material, serviceHost, socketPath } = options;
  const serverName = tls.sni ?? serviceHost;
  const connect = buildConnector({
    secureContext: material.context,
    checkServerIdentity: peerVerifier(tls, serverName),
    // NODE_TLS_REJECT_UNAUTHORIZED=0 is for the toys of a developer, not for a mesh that was told to verify.
    rejectUnauthorized: true,
    maxCachedSessions: 0,
    timeout: options.connectTimeoutMs,
    allowH2: options.h2,
    preferH2: options.h2,
    ...(socketPath === undefined ? undefined : { socketPath }),
  });
  return ({ hostname, port, protocol, localAddress, httpSocket }, callback) => {
    const endpoint = socketPath === undefined ? `${hostname}:${port || '443'}` : `unix:${socketPath}`;
    if (protocol !== 'https:') {
      const message = `${serviceHost}: ${endpoint}: TLS is configured, and a connection without was asked for`;
      callback(new MeshError('INMESH_TLS', message, { service: serviceHost, endpoint }), null);
      return;
    }
    // Returns the socket, as undici's connectors do, so that a connection in the making can be given up.
    return connect(
      {
        hostname,
        port,
        protocol,
        ...(localAddress === undefined ? undefined : { localAddress }),
        ...(httpSocket === undefined ? undefined : { httpSocket }),
        // Fixed here, whatever Host header a request carries. An address is no server name (RFC 6066, 3).
        ...(isIP(serverName) === 0 ? { servername: serverName } : undefined),
      },
      (...[error, socket]: [null, unknown] | [Error, null]) => {
        if (error === null) callback(null, socket as Parameters<typeof callback>[1] & object);
        else callback(tlsConnectError(error, serviceHost, endpoint), null);
      },
    );
  };
}
