/**
 * Did an attempt succeed? Decided once, here, when its head or its error is known; statistics, ejection, breaker,
 * retry and budget all read that verdict (Finagle's response classification). The end of the body may only worsen it
 * or mark it ignored. Whether a failure is *retryable* is another question; the retry filter answers it.
 */
import { type ErrorCode, meshErrorOf } from './errors.ts';
import { headerOf, type ParsedHeaders } from './parsed-headers.ts';

/** Why an attempt may fail. */
export const causes = [
  'status',
  'connect-failure',
  'reset',
  'refused-stream',
  'timeout',
  'protocol',
  'identity',
  'overflow',
  'other',
] as const;

/** Why an attempt failed. */
export type Cause = (typeof causes)[number];

/** The verdict on one attempt, or on a call. */
export interface Outcome {
  /** `ignored`: cancelled by the caller, or lost a race; says nothing about the endpoint. */
  readonly kind: 'success' | 'failure' | 'ignored';
  readonly cause?: Cause;
  /** How long the server asks to wait, in ms (Retry-After, pushback); negative: do not retry (gRPC pushback). */
  readonly retryAfterMs?: number;
}

/** The attempt has a good head. */
export const success: Outcome = Object.freeze({ kind: 'success' });
/** The attempt was cancelled from our side. */
export const ignored: Outcome = Object.freeze({ kind: 'ignored' });

const failures = Object.freeze(
  Object.fromEntries(causes.map((cause) => [cause, Object.freeze({ kind: 'failure', cause })])) as unknown as Record<
    Cause,
    Outcome
  >,
);

/** A failure of `cause`. */
export function failure(cause: Cause): Outcome {
  return failures[cause];
}

/**
 * The verdict on a head. A status from 500 on is a failure; everything below is a success of the transport, 429
 * included (it degrades nothing but the wish to retry).
 *
 * @param wallTime the wall clock, for a Retry-After that is a date.
 */
export function outcomeOfHead(status: number, headers: ParsedHeaders, wallTime: () => number): Outcome {
  if (status < 500 && status !== 429) return success;
  const retryAfterMs = retryAfter(headers, wallTime);
  if (status < 500) return retryAfterMs === undefined ? success : { kind: 'success', retryAfterMs };
  return retryAfterMs === undefined ? failures.status : { kind: 'failure', cause: 'status', retryAfterMs };
}

const causeOfCode: Partial<Record<ErrorCode, Cause>> = {
  INMESH_CONNECT: 'connect-failure',
  INMESH_TLS: 'connect-failure',
  INMESH_IDENTITY: 'identity',
  INMESH_RESET: 'reset',
  INMESH_REFUSED_STREAM: 'refused-stream',
  INMESH_PROTOCOL: 'protocol',
  INMESH_ATTEMPT_TIMEOUT: 'timeout',
  INMESH_HEAD_TIMEOUT: 'timeout',
  INMESH_TIMEOUT: 'timeout',
  INMESH_DEADLINE: 'timeout',
  INMESH_BODY_IDLE: 'timeout',
  INMESH_OVERFLOW: 'overflow',
  INMESH_CIRCUIT_OPEN: 'overflow',
  INMESH_RATE_LIMITED: 'overflow',
};

/**
 * The verdict on an attempt or call that ended with `error`. An error that is not of the mesh is the caller's own
 * reason of cancellation.
 */
export function outcomeOfError(error: unknown): Outcome {
  const meshError = meshErrorOf(error);
  if (meshError === undefined || meshError.code === 'INMESH_ABORTED') return ignored;
  return failures[causeOfCode[meshError.code] ?? 'other'];
}

/**
 * On a 503 of a server that is overloaded itself, which says nothing of others: whatever Retry-After it has is about that
 * server. Envoy's name.
 */
export const localOverloadHeader = 'x-envoy-local-overloaded';

/** Retry-After beyond this is cut: Envoy's bound for rate-limited backoff. */
const maxRetryAfterMs = 300_000;

function retryAfter(headers: ParsedHeaders, wallTime: () => number): number | undefined {
  const pushback = headerOf(headers, 'grpc-retry-pushback-ms');
  if (pushback !== undefined) {
    const ms = Number(pushback);
    return Number.isInteger(ms) && ms >= 0 ? Math.min(ms, maxRetryAfterMs) : -1;
  }
  const text = headerOf(headers, 'retry-after');
  if (text === undefined) return undefined;
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - wallTime();
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(0, ms), maxRetryAfterMs);
}
