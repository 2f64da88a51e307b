/**
 * Why ask a service the same thing a hundred times at once? A cache that has just expired, or a page that everybody opens,
 * makes many calls that are equal to the last header. They can share one: the first is sent, the others wait for its answer
 * (Hystrix's request collapsing for equal requests; "singleflight" in Go; collapsed forwarding in HTTP caches).
 */
import type { Call } from '../../core/call.ts';
import type { ResolvedCallOptions } from '../../core/call-options.ts';
import type { Clock } from '../../core/clock.ts';
import type { Filter, Next } from '../../core/filter.ts';
import type { Reply } from '../../core/reply.ts';
import { CallWaits } from '../deadline/call-watch.ts';
import { Flight } from './flight.ts';

/** Headers that differ from call to call and mean nothing for the answer. */
const incidental = new Set(['traceparent', 'tracestate', 'x-request-id']);

/** What the filter reports. */
export interface CoalesceFilterOptions {
  readonly clock: Clock;
  /** A call joined another one. */
  readonly onJoin?: () => void;
}

/**
 * Lets equal calls that are under way at once share one. Equal are GET or HEAD without a body, with the same host, path,
 * headers (those of tracing apart), options and criticality. Belongs below the deadline, so that each caller keeps its own,
 * and above everything that counts what is sent.
 *
 * An answer that may not be shared (a body above 1 MiB or of unknown length, `set-cookie`, `cache-control: private` or
 * `no-store`) goes to the first that waits; the others are sent.
 */
export function coalesceFilter({ clock, onJoin }: CoalesceFilterOptions): Filter<Call, Reply> {
  const flights = new Map<string, Flight>();
  const waits = new CallWaits(clock);
  const send = (call: Call, next: Next<Call, Reply>): Promise<Reply> => {
    const key = keyOf(call);
    const known = flights.get(key);
    if (known !== undefined) {
      onJoin?.();
      return known.join(call);
    }
    const flight = new Flight(call, {
      next,
      waits,
      onClose: (closed) => {
        if (flights.get(key) === closed) flights.delete(key);
      },
      again: (other) => send(other, next),
    });
    flights.set(key, flight);
    const reply = flight.join(call);
    flight.start();
    return reply;
  };
  return {
    role: 'coalesce',
    apply: (call, next) => {
      const mayJoin = (call.method === 'GET' || call.method === 'HEAD') && call.body === null && !call.upgrade;
      return mayJoin ? send(call, next) : next(call);
    },
  };
}

/** Equal for equal calls. */
function keyOf({ method, authority, path, headers, options, criticality, isRepeat }: Call): string {
  const parts = [`${method} ${authority} ${path} ${criticality} ${isRepeat} ${keyOfOptions(options)}`];
  for (let index = 0; index < headers.length; index += 2) {
    const name = headers[index] as string;
    // A header's value cannot have a line break.
    if (!incidental.has(name)) parts.push(`${name}: ${headers[index + 1]}`);
  }
  return parts.join('\n');
}

const optionKeys = new WeakMap<ResolvedCallOptions, string>();

/** Equal for options that treat a call alike. A backoff of one's own is told from others as an object. */
function keyOfOptions(options: ResolvedCallOptions): string {
  let key = optionKeys.get(options);
  if (key === undefined) {
    const { timeoutMs, headTimeoutMs, bodyIdleMs, perTryTimeoutMs, retry, idempotent, hedge, hashKey } = options;
    const times = [timeoutMs, headTimeoutMs, bodyIdleMs, perTryTimeoutMs].map(String);
    const backoff = retry.backoff === undefined ? 0 : numberOf(retry.backoff);
    key = JSON.stringify([times, retry.max, [...retry.on], backoff, idempotent, hedge, hashKey]);
    optionKeys.set(options, key);
  }
  return key;
}

const numbers = new WeakMap<object, number>();
let lastNumber = 0;

function numberOf(backoff: object): number {
  let number = numbers.get(backoff);
  if (number === undefined) {
    number = ++lastNumber;
    numbers.set(backoff, number);
  }
  return number;
}
