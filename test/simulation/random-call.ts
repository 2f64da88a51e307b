import type { CallOptions } from '../../src/core/call-options.ts';
import { type Dice, given } from './dice.ts';
import { randomCriticality } from './random-document.ts';

/** What one caller does. */
export interface CallPlan {
  readonly api: 'request' | 'fetch' | 'dispatcher';
  readonly host: string;
  readonly method: string;
  readonly headers: readonly string[];
  readonly options: CallOptions;
  readonly body: 'none' | 'text' | 'stream' | 'broken-stream';
  /** When the caller gives up, in ms after the start; 0 for before it. */
  readonly abortAfterMs: number | undefined;
  /** What becomes of the body of the reply. */
  readonly use: 'read' | 'leave' | 'destroy' | 'dump';
  /** What is left for the inbound request behind the call, in ms. */
  readonly inheritedMs: number | undefined;
  /** Whether that request is itself a retry. */
  readonly repeat: boolean;
  /** How critical it is. */
  readonly inheritedCriticality: string | undefined;
}

/** A call to one of `hosts`. */
export function randomCall(dice: Dice, hosts: readonly string[]): CallPlan {
  const method = dice.pick('GET', 'GET', 'GET', 'POST', 'POST', 'PUT', 'HEAD', 'DELETE');
  const hasBody = method === 'POST' || method === 'PUT';
  return {
    api: dice.pick('request', 'fetch', 'dispatcher'),
    host: dice.chance(0.02) ? 'nowhere' : (hosts[dice.integer(0, hosts.length - 1)] as string),
    method,
    headers: method === 'POST' && dice.chance(0.2) ? ['idempotency-key', 'k'] : [],
    options: given({
      timeoutMs: dice.maybe(0.5, () => dice.pick<number | false>(0.5, 20, 100, 500, false)),
      headTimeoutMs: dice.maybe(0.2, () => dice.pick<number | false>(15, 150, false)),
      bodyIdleMs: dice.maybe(0.2, () => dice.pick<number | false>(20, 200, false)),
      perTryTimeoutMs: dice.maybe(0.3, () => dice.integer(5, 150)),
      retries: dice.maybe(0.4, () =>
        dice.pick<NonNullable<CallOptions['retries']>>(false, 1, 3, 10, { max: 2, on: ['5xx'] }),
      ),
      criticality: dice.maybe(0.2, () => randomCriticality(dice)),
      idempotent: dice.maybe(0.1, () => dice.chance(0.5)),
      subset: dice.maybe(0.1, () => dice.pick('v1', 'v2', 'v3')),
      hashKey: dice.maybe(0.2, () => dice.pick('a', 'b', '')),
      fallback: dice.maybe(0.15, () =>
        dice.pick<() => unknown>(
          () => Response.json([]),
          () => ({ stale: true }),
        ),
      ),
    }),
    body: hasBody ? dice.pick('none', 'text', 'stream', 'stream', 'broken-stream') : 'none',
    abortAfterMs: dice.maybe(0.2, () => dice.pick(0, 1, 10, 60, 300)),
    use: dice.pick('read', 'read', 'read', 'leave', 'destroy', 'dump'),
    inheritedMs: dice.maybe(0.1, () => dice.integer(1, 200)),
    repeat: dice.chance(0.1),
    inheritedCriticality: dice.maybe(0.1, () => randomCriticality(dice)),
  };
}
