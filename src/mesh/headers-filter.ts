/**
 * What does the mesh add to a request? The logical host, what is left of the deadline, the number of the attempt when
 * it is a repeat, and the trace context. Nothing else is changed.
 */
import type { Attempt } from '../core/attempt.ts';
import type { HeaderList } from '../core/call.ts';
import type { Clock } from '../core/clock.ts';
import { remainingMs, remainingTimeHeader } from '../core/deadline.ts';
import type { Filter } from '../core/filter.ts';
import type { Reply } from '../core/reply.ts';
import { tapFilter } from '../core/tap.ts';

/** Tells a server, and the meshes behind it, that a request is a repeat. Envoy's name. */
export const attemptCountHeader = 'x-envoy-attempt-count';

/** The headers of an attempt with its trace context. */
export type Propagate = (attempt: Attempt, headers: HeaderList) => HeaderList;

/** Completes the headers of an attempt. */
export function headersFilter(clock: Clock, propagate: Propagate): Filter<Attempt, Reply> {
  return tapFilter<Attempt, Reply, undefined>({
    role: 'headers',
    before: (attempt) => {
      const { call } = attempt;
      const headers = withHost(call.authority, call.headers);
      if (call.deadline !== Number.POSITIVE_INFINITY) {
        replace(headers, remainingTimeHeader, String(remainingMs(call.deadline, clock.now())));
      }
      if (attempt.number > 1) replace(headers, attemptCountHeader, String(attempt.number));
      attempt.headers = propagate(attempt, headers);
      return undefined;
    },
    succeeded() {},
    failed() {},
  });
}

function withHost(authority: string, own: HeaderList): string[] {
  for (let index = 0; index < own.length; index += 2) if (own[index] === 'host') return own.slice();
  return own.length === 0 ? ['host', authority] : ['host', authority, ...own];
}

/** A value that the caller sent along (from its own inbound request, perhaps) must not reach the server beside ours. */
function replace(headers: string[], name: string, value: string): void {
  for (let index = 0; index < headers.length; index += 2) {
    if (headers[index] !== name) continue;
    headers[index + 1] = value;
    return;
  }
  headers.push(name, value);
}
