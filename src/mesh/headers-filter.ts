/**
 * What does the mesh add to a request? The logical host, what is left of the deadline, the number of the attempt when
 * it is a repeat, how critical it is unless that is the default, and the trace context. Nothing else is changed.
 */
import type { Attempt } from '../core/attempt.ts';
import type { HeaderList } from '../core/call.ts';
import type { Clock } from '../core/clock.ts';
import { criticalityHeader, defaultCriticality } from '../core/criticality.ts';
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
      const headers = ownHeaders(call.authority, call.headers);
      if (call.deadline !== Number.POSITIVE_INFINITY) {
        headers.push(remainingTimeHeader, String(remainingMs(call.deadline, clock.now())));
      }
      if (attempt.number > 1) headers.push(attemptCountHeader, String(attempt.number));
      if (call.criticality !== defaultCriticality) headers.push(criticalityHeader, call.criticality);
      attempt.headers = propagate(attempt, headers);
      return undefined;
    },
    succeeded() {},
    failed() {},
  });
}

/** The caller's headers with a host; what the mesh says itself (sent along from an inbound request, perhaps) left out. */
function ownHeaders(authority: string, own: HeaderList): string[] {
  const headers = ['host', authority];
  for (let index = 0; index < own.length; index += 2) {
    const name = own[index] as string;
    const value = own[index + 1] as string;
    if (name === 'host') headers[1] = value;
    else if (name !== remainingTimeHeader && name !== attemptCountHeader && name !== criticalityHeader) {
      headers.push(name, value);
    }
  }
  return headers;
}
