/**
 * What can a command be told? {@link CommandOptions}. The part that is shared by all runs of a name is checked and
 * completed here, by its first run: a cap of 0 or of NaN would let its callers wait for ever.
 */
import type { CallOptions } from '../core/call-options.ts';
import { MeshError } from '../core/errors.ts';
import { type CircuitBreakerOptions, circuitBreakerDefaults } from '../resilience/circuit-breaker/circuit-breaker.ts';
import { type LimitOptions, limitDefaults } from '../resilience/limit/limit-options.ts';

/** How many run at once, and how many wait. */
type CommandLimit = Pick<LimitOptions, 'maxRequests' | 'maxPending'>;

/** Answers in place of a command that failed. */
export type CommandFallback<T = unknown> = (error: unknown) => T | Promise<T>;

/**
 * Options of a command. The breaker, limit and budget of a name are made by its first run, and shared by all runs of
 * that name; the others hold for one run.
 */
export interface CommandOptions<T = unknown>
  extends Pick<CallOptions, 'timeoutMs' | 'retries' | 'idempotent' | 'inheritDeadline' | 'criticality'> {
  /**
   * Answers in place of the command when it fails, be it with an error of the mesh or with its own; of several each one when
   * the one before it fails.
   */
  fallback?: CommandFallback<T> | readonly CommandFallback<T>[];
  /** When the command is refused at once; `false` (default) for never. */
  breaker?: Partial<CircuitBreakerOptions> | false;
  /** How many run at once, ≥ 1, default 1,024; and how many may wait for that, ≥ 0, default 1,024. */
  limit?: Partial<CommandLimit>;
}

/** What all runs of a name share. */
export interface SharedCommandOptions {
  readonly breaker: CircuitBreakerOptions | undefined;
  readonly limit: CommandLimit;
}

interface Range {
  readonly allowed: string;
  readonly has: (value: number) => boolean;
}

type Ranges<T> = Readonly<Record<keyof T, Range>>;

const integersFrom = (least: number): Range => ({
  allowed: `integers from ${least}`,
  has: (value) => Number.isSafeInteger(value) && value >= least,
});
const percents: Range = { allowed: 'numbers from 0 to 100', has: (value) => value >= 0 && value <= 100 };
const durations: Range = { allowed: 'numbers above 0 (ms)', has: (value) => value > 0 && Number.isFinite(value) };

const limitRanges: Ranges<CommandLimit> = { maxRequests: integersFrom(1), maxPending: integersFrom(0) };

const breakerRanges: Ranges<CircuitBreakerOptions> = {
  consecutiveErrors: integersFrom(0),
  errorPercent: percents,
  minRequests: integersFrom(1),
  windowMs: durations,
  openMs: durations,
};

const names = ['timeoutMs', 'retries', 'idempotent', 'inheritDeadline', 'criticality', 'fallback', 'breaker', 'limit'];

/** @throws MeshError `INMESH_OPTION` for an option that is none. */
export function requireCommandOptions(options: object): void {
  for (const name of Object.keys(options)) if (!names.includes(name)) refuseUnknown(name, names);
}

/** @throws MeshError `INMESH_OPTION` for a value outside its range. */
export function sharedCommandOptions({ breaker, limit }: CommandOptions): SharedCommandOptions {
  return {
    breaker:
      breaker === undefined || breaker === null || breaker === false
        ? undefined
        : completed('breaker', breaker, breakerRanges, circuitBreakerDefaults),
    limit: completed('limit', limit ?? {}, limitRanges, limitDefaults),
  };
}

function completed<T extends object>(option: string, own: Partial<T>, ranges: Ranges<T>, defaults: T): T {
  if (typeof own !== 'object') {
    throw new MeshError('INMESH_OPTION', `option ${option} is ${String(own)}; allowed is an object`);
  }
  const all = { ...defaults } as Record<string, unknown>;
  for (const [name, value] of Object.entries(own)) {
    const range = Object.hasOwn(ranges, name) ? ranges[name as keyof T] : undefined;
    if (range === undefined) return refuseUnknown(`${option}.${name}`, Object.keys(ranges));
    if (value === undefined) continue;
    if (typeof value !== 'number' || !range.has(value)) {
      throw new MeshError(
        'INMESH_OPTION',
        `option ${option}.${name} is ${String(value)}; allowed are ${range.allowed}`,
      );
    }
    all[name] = value;
  }
  return all as T;
}

function refuseUnknown(name: string, known: readonly string[]): never {
  throw new MeshError('INMESH_OPTION', `unknown option ${name}; known are ${known.join(', ')}`);
}
