/**
 * What can a caller change for one call? {@link CallOptions}, in code; and what every part of the mesh reads instead,
 * with all defaults applied: {@link ResolvedCallOptions}.
 */
import type { IBackoffFactory, IPolicy } from 'cockatiel';
import { type Criticality, criticalities } from './criticality.ts';
import { MeshError } from './errors.ts';

/**
 * When to retry: the tokens of Envoy's `x-envoy-retry-on` and Istio's `retryOn`, or a status as a decimal (`'503'`).
 * `connect-failure`, `refused-stream` apply to every request; the others only to requests that are idempotent.
 */
export type RetryOn =
  | 'connect-failure'
  | 'refused-stream'
  | 'reset'
  | 'reset-before-request'
  | '5xx'
  | 'gateway-error'
  | 'retriable-4xx'
  | 'envoy-ratelimited'
  | 'unavailable'
  | 'cancelled'
  | `${number}`;

/** Every token of {@link RetryOn} but the statuses. */
export const retryOnTokens = [
  'connect-failure',
  'refused-stream',
  'reset',
  'reset-before-request',
  '5xx',
  'gateway-error',
  'retriable-4xx',
  'envoy-ratelimited',
  'unavailable',
  'cancelled',
] as const;

/** Answers in place of a call that failed: with a `Response`, or a value for JSON. */
export type Fallback<F = unknown> = (error: MeshError) => F | Promise<F>;

/** Overrides of one call. Each wins over the route's, the service's and the mesh's value. */
export interface CallOptions<F = unknown> {
  /** The whole call with its body and its retries, in ms, > 0; `false` for none. Default: none. */
  timeoutMs?: number | false;
  /** Until the head of the reply, retries included, in ms, > 0; `false` for none. Default 15,000. */
  headTimeoutMs?: number | false;
  /** The longest silence inside a reply body, in ms, > 0; `false` for none. Default 30,000. */
  bodyIdleMs?: number | false;
  /** One attempt until its head, in ms, > 0. Default: none. */
  perTryTimeoutMs?: number;
  /** Whether the deadline of the inbound request bounds this call too. Default true. */
  inheritDeadline?: boolean;
  /** How many retries (0–10), `false` for none, or a policy. Default: up to 2. */
  retries?: number | false | { max?: number; on?: readonly RetryOn[]; backoff?: IBackoffFactory<unknown> };
  /** Whether sending the request twice does no harm. Default: by method (RFC 9110) or an `Idempotency-Key` header. */
  idempotent?: boolean;
  /**
   * Whether an attempt that takes longer than nearly all others is joined by a second one at another endpoint. Only calls
   * that are idempotent, and whose body can be sent again. Default: as the document says of the service, else false.
   */
  hedge?: boolean;
  /**
   * Whether equal calls (GET or HEAD, with the same headers) that are under way at once share one. The others wait for its
   * answer, or its error; an answer that is not theirs to share (`set-cookie`, `cache-control: private` or `no-store`, above
   * 1 MiB or of unknown length) goes to the first of them, and the others are sent. Default false.
   */
  coalesce?: boolean;
  /**
   * Whether the answer may come from the cache of the mesh (`createMesh({ cacheStore })`), and be kept there, as RFC 9111
   * allows a shared cache. Default false.
   */
  cache?: boolean;
  /**
   * What is refused first when there is not enough for all calls: `sheddable`, then `sheddable-plus`, `critical`,
   * `critical-plus`. Sent on to the service, whose own calls inherit it. Default: as the document says, else that of the
   * inbound request, else `critical`.
   */
  criticality?: Criticality;
  /** The subset of the service to call, whatever the route says. */
  subset?: string;
  /**
   * Calls of one key go to one endpoint, where the service balances by consistent hash; it wins over what the document
   * takes from the request. Other load balancers leave it alone, and an empty one is none. Default: as the document says.
   */
  hashKey?: string;
  /** Answers in place of the call when it fails with an error; of several each one when the one before it fails. */
  fallback?: Fallback<F> | readonly Fallback<F>[];
  /** A cockatiel policy around the whole call. */
  policy?: IPolicy;
}

/** How a call is retried. */
export interface RetryOptions {
  /** Retries, not tries. 0–10. */
  readonly max: number;
  readonly on: ReadonlySet<RetryOn>;
  /** The waits between attempts; `undefined` for the one of the retry filter. */
  readonly backoff: IBackoffFactory<unknown> | undefined;
}

/** By default twice, on failures that another endpoint may not have (Istio's mesh default, widened by method safety). */
export const retryDefaults: RetryOptions = Object.freeze({
  max: 2,
  on: new Set<RetryOn>(['connect-failure', 'refused-stream', 'reset', '500', '502', '503', '504']),
  backoff: undefined,
});

/** {@link CallOptions} with every field decided. Durations that are off are `Infinity`. */
export interface ResolvedCallOptions {
  readonly timeoutMs: number;
  readonly headTimeoutMs: number;
  readonly bodyIdleMs: number;
  readonly perTryTimeoutMs: number;
  readonly inheritDeadline: boolean;
  readonly retry: RetryOptions;
  readonly idempotent: boolean | undefined;
  readonly hedge: boolean;
  readonly coalesce: boolean;
  readonly cache: boolean;
  /** `undefined`: inherited. */
  readonly criticality: Criticality | undefined;
  readonly subset: string | undefined;
  readonly hashKey: string | undefined;
  /** In order. */
  readonly fallback: readonly Fallback[] | undefined;
  readonly policy: IPolicy | undefined;
}

/** What holds where nobody says otherwise. */
export const callDefaults: ResolvedCallOptions = Object.freeze({
  timeoutMs: Number.POSITIVE_INFINITY,
  headTimeoutMs: 15_000,
  bodyIdleMs: 30_000,
  perTryTimeoutMs: Number.POSITIVE_INFINITY,
  inheritDeadline: true,
  retry: retryDefaults,
  idempotent: undefined,
  hedge: false,
  coalesce: false,
  cache: false,
  criticality: undefined,
  subset: undefined,
  hashKey: undefined,
  fallback: undefined,
  policy: undefined,
});

const knownOptions = new Set([
  'timeoutMs',
  'headTimeoutMs',
  'bodyIdleMs',
  'perTryTimeoutMs',
  'inheritDeadline',
  'retries',
  'idempotent',
  'hedge',
  'coalesce',
  'cache',
  'criticality',
  'subset',
  'hashKey',
  'fallback',
  'policy',
]);

/** The most retries a call may ask for; beyond it a retry is a load test. */
export const maxRetries = 10;

/**
 * Lays `overrides` over `base`.
 *
 * @throws MeshError `INMESH_OPTION` for an unknown option or a value outside its range.
 */
export function resolveCallOptions(base: ResolvedCallOptions, overrides: CallOptions): ResolvedCallOptions {
  if (typeof overrides !== 'object' || overrides === null) {
    throw new MeshError('INMESH_OPTION', `the options of a call are ${String(overrides)}; allowed is an object`);
  }
  for (const name of Object.keys(overrides)) {
    if (!knownOptions.has(name)) {
      throw new MeshError('INMESH_OPTION', `unknown option ${name}; known are ${[...knownOptions].join(', ')}`);
    }
  }
  return Object.freeze({
    timeoutMs: duration('timeoutMs', overrides.timeoutMs, base.timeoutMs),
    headTimeoutMs: duration('headTimeoutMs', overrides.headTimeoutMs, base.headTimeoutMs),
    bodyIdleMs: duration('bodyIdleMs', overrides.bodyIdleMs, base.bodyIdleMs),
    perTryTimeoutMs: duration('perTryTimeoutMs', overrides.perTryTimeoutMs, base.perTryTimeoutMs),
    inheritDeadline: typed('inheritDeadline', 'boolean', overrides.inheritDeadline) ?? base.inheritDeadline,
    retry: resolveRetry(base.retry, overrides.retries),
    idempotent: typed('idempotent', 'boolean', overrides.idempotent) ?? base.idempotent,
    hedge: typed('hedge', 'boolean', overrides.hedge) ?? base.hedge,
    coalesce: typed('coalesce', 'boolean', overrides.coalesce) ?? base.coalesce,
    cache: typed('cache', 'boolean', overrides.cache) ?? base.cache,
    criticality: oneOf('criticality', criticalities, overrides.criticality) ?? base.criticality,
    subset: typed('subset', 'string', overrides.subset) ?? base.subset,
    hashKey: typed('hashKey', 'string', overrides.hashKey) ?? base.hashKey,
    fallback: resolveFallback(overrides.fallback) ?? base.fallback,
    policy: withMethod('policy', 'execute', 'a policy of cockatiel', overrides.policy) ?? base.policy,
  });
}

function duration(name: string, value: number | false | undefined, base: number): number {
  if (value === undefined) return base;
  if (value === false) return Number.POSITIVE_INFINITY;
  if (typeof value === 'number' && value > 0) return value;
  throw new MeshError('INMESH_OPTION', `option ${name} is ${String(value)}; allowed are numbers above 0 (ms) or false`);
}

function typed<T>(name: string, type: string, value: T | undefined): T | undefined {
  if (value === undefined || typeof value === type) return value;
  throw new MeshError('INMESH_OPTION', `option ${name} is ${typeof value}; allowed is ${type}`);
}

function resolveFallback(given: CallOptions['fallback']): readonly Fallback[] | undefined {
  if (given === undefined) return undefined;
  const all = Array.isArray(given) ? (given as readonly Fallback[]) : [given as Fallback];
  for (const one of all) typed('fallback', 'function', one ?? null);
  return all.length === 0 ? undefined : Object.freeze([...all]);
}

function oneOf<T>(name: string, allowed: readonly T[], value: T | undefined): T | undefined {
  if (value === undefined || allowed.includes(value)) return value;
  throw new MeshError('INMESH_OPTION', `option ${name} is ${String(value)}; allowed are ${allowed.join(', ')}`);
}

function withMethod<T>(name: string, method: string, allowed: string, value: T | undefined): T | undefined {
  if (value === undefined || typeof (value as Record<string, unknown> | null)?.[method] === 'function') return value;
  throw new MeshError('INMESH_OPTION', `option ${name} is ${typeof value}; allowed is ${allowed}`);
}

function resolveRetry(base: RetryOptions, retries: CallOptions['retries']): RetryOptions {
  if (retries === undefined) return base;
  if (retries === false) return { ...base, max: 0 };
  if (typeof retries === 'number') return { ...base, max: retryCount(retries) };
  if (typeof retries !== 'object' || retries === null) {
    throw new MeshError(
      'INMESH_OPTION',
      `option retries is ${String(retries)}; allowed are 0–${maxRetries}, false or an object`,
    );
  }
  for (const token of retries.on ?? []) {
    if (!(retryOnTokens as readonly string[]).includes(token) && !/^[1-5]\d\d$/.test(token)) {
      throw new MeshError(
        'INMESH_OPTION',
        `option retries.on has ${token}; allowed are ${retryOnTokens.join(', ')} or a status such as 503`,
      );
    }
  }
  return {
    max: retries.max === undefined ? base.max : retryCount(retries.max),
    on: retries.on === undefined ? base.on : new Set(retries.on),
    backoff: withMethod('retries.backoff', 'next', 'a backoff of cockatiel', retries.backoff) ?? base.backoff,
  };
}

function retryCount(value: number): number {
  if (Number.isInteger(value) && value >= 0 && value <= maxRetries) return value;
  throw new MeshError('INMESH_OPTION', `option retries is ${String(value)}; allowed are 0–${maxRetries} or false`);
}
