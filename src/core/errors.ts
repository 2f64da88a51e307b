/**
 * Which errors does the mesh give, and how are they told apart? By `code`, from the one table below. Everything the
 * mesh itself reports is a {@link MeshError}; programming mistakes inside inmesh are plain assertion errors.
 */

/** Every code, with what it means. Codes are stable: they may be added, never renamed. */
export const errorCodes = {
  INMESH_ABORTED: 'the caller cancelled the call',
  INMESH_ATTEMPT_TIMEOUT: 'one attempt gave no head within perTryTimeoutMs',
  INMESH_BODY_IDLE: 'no byte of the reply body arrived within bodyIdleMs',
  INMESH_BODY_USED: 'a body was read twice',
  INMESH_CIRCUIT_OPEN: 'the circuit breaker of the service or route is open',
  INMESH_CLOSED: 'the mesh is closed',
  INMESH_CONFIG: 'the mesh document is not valid',
  INMESH_CONFLICT: 'the registry holds another version than the one that was expected; nothing was written',
  INMESH_CONNECT: 'no connection to the endpoint could be made; nothing was sent',
  INMESH_DEADLINE: 'the deadline inherited from the inbound request has passed',
  INMESH_HEAD_TIMEOUT: 'no head of a reply within headTimeoutMs, retries included',
  INMESH_IDENTITY: 'the peer did not prove the identity that the document expects',
  INMESH_INTEGRITY: 'the body of a reply is not what the integrity of its request says',
  INMESH_NO_ENDPOINT: 'the service or subset has no endpoint',
  INMESH_NO_ROUTE: 'no route of the host matches the request',
  INMESH_NOT_MOCKED: 'mockMesh has no handler for the service',
  INMESH_OPTION: 'an option has a value outside its range',
  INMESH_OVERFLOW:
    'a limit on connections, pending or concurrent requests is reached, or the service has too much to do',
  INMESH_PROTOCOL: 'the reply breaks the HTTP protocol',
  INMESH_RATE_LIMITED: 'a local rate limit is reached; nothing was sent',
  INMESH_REDIRECT: 'a redirect could not be followed',
  INMESH_REFUSED_STREAM: 'the server stated that it did not process the request',
  INMESH_REGISTRY: 'the registry is not reachable or answers nonsense',
  INMESH_REQUEST: 'the request itself is not valid',
  INMESH_RESET: 'the connection broke after the request may have been sent',
  INMESH_TIMEOUT: 'the whole call, body and retries included, took longer than timeoutMs',
  INMESH_TLS: 'certificates could not be loaded or the handshake failed',
  INMESH_UNKNOWN_HOST: 'the host is not a service of the registry, and the document refuses others (REGISTRY_ONLY)',
  INMESH_UNSUPPORTED: 'not supported yet',
} as const;

/** A stable code of {@link errorCodes}. */
export type ErrorCode = keyof typeof errorCodes;

/** What an error knows about the call it ended. */
export interface ErrorDetails {
  /** The service, where known. */
  service?: string | undefined;
  /** The endpoint of the last attempt (`host:port` or `unix:/path`), where there was one. */
  endpoint?: string | undefined;
  /** How many attempts were started. */
  attempts?: number | undefined;
  /** When it may be tried again, in ms from now, where that is known. */
  retryAfterMs?: number | undefined;
  /** The error underneath. */
  cause?: unknown;
}

const brand = Symbol.for('inmesh.error');

/**
 * An operating error of the mesh. Test with {@link isMeshError} rather than `instanceof`: two copies of inmesh in one
 * process recognise each other's errors by a registered symbol.
 */
export class MeshError extends Error {
  override readonly name = 'MeshError';
  /** What happened, stable across versions. */
  readonly code: ErrorCode;
  readonly service: string | undefined;
  readonly endpoint: string | undefined;
  attempts: number | undefined;
  /** When it may be tried again, in ms from the error on; `undefined` where that is not known. */
  readonly retryAfterMs: number | undefined;
  /** @internal */
  readonly [brand] = true;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.service = details.service;
    this.endpoint = details.endpoint;
    this.attempts = details.attempts;
    this.retryAfterMs = details.retryAfterMs;
  }
}

/** How far {@link isMeshError} and {@link meshErrorOf} follow `cause`; longer chains are cycles or abuse. */
const maxCauseDepth = 8;

/** The {@link MeshError} that `error` is or was caused by (`fetch` wraps ours in a `TypeError`), or `undefined`. */
export function meshErrorOf(error: unknown): MeshError | undefined {
  let current = error;
  for (let depth = 0; depth < maxCauseDepth && typeof current === 'object' && current !== null; depth++) {
    if (brand in current) return current as MeshError;
    current = (current as { cause?: unknown }).cause;
  }
  return undefined;
}

/**
 * Whether `error` is, or was caused by, an error of the mesh; with `code`, of that code.
 */
export function isMeshError(error: unknown, code?: ErrorCode): boolean {
  const found = meshErrorOf(error);
  return found !== undefined && (code === undefined || found.code === code);
}
