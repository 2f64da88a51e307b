import type { SessionOptions } from '../balancing/session-options.ts';
import { sessionCookie } from '../balancing/session-picker.ts';
import type { Attempt } from '../core/attempt.ts';
import type { Filter } from '../core/filter.ts';
import type { Reply } from '../core/reply.ts';
import { tapFilter } from '../core/tap.ts';

/** Names the member that answered in a cookie of its reply, unless the call came with that. */
export function sessionFilter(options: SessionOptions): Filter<Attempt, Reply> {
  return tapFilter<Attempt, Reply, undefined>({
    role: 'session',
    before: () => undefined,
    succeeded: ({ call, member }, _state, reply) => {
      const cookie = sessionCookie(options, call, member);
      if (cookie !== undefined) reply.addHeader('set-cookie', cookie);
    },
    failed() {},
  });
}
