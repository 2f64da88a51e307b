/** How the connections to one endpoint are kept. */
export interface TransportOptions {
  /** At most this many connections. Default 128; with HTTP/2, 1 is enough for most. */
  readonly connections: number;
  /** A connection that is not made within this is a connect failure, in ms. Default 10,000 (Istio). */
  readonly connectTimeoutMs: number;
  /** An idle connection is closed after this, in ms. Default 4,000 (undici), below the 5 s of node:http servers. */
  readonly idleTimeoutMs: number;
  /** So many connections are made ahead, beyond those in use; HTTP/1.1 only. Default 0. */
  readonly minIdleConnections: number;
  /** A connection is closed after this many requests; 0 for no limit. Default 0. */
  readonly maxRequestsPerConnection: number;
  /** HTTP/2: by ALPN over TLS, with prior knowledge without. Default false. */
  readonly h2: boolean;
}

export const transportDefaults: TransportOptions = Object.freeze({
  connections: 128,
  connectTimeoutMs: 10_000,
  idleTimeoutMs: 4_000,
  minIdleConnections: 0,
  maxRequestsPerConnection: 0,
  h2: false,
});
