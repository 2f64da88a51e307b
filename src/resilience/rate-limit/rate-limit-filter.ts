import type { Call } from '../../core/call.ts';
import type { Clock } from '../../core/clock.ts';
import { MeshError } from '../../core/errors.ts';
import type { Filter } from '../../core/filter.ts';
import type { Reply } from '../../core/reply.ts';
import { tapFilter } from '../../core/tap.ts';
import type { RateLimiter } from './rate-limiter.ts';

/** What the filter needs; the limiter belongs to a service or a route. */
export interface RateLimitFilterOptions {
  readonly clock: Clock;
  readonly limiter: RateLimiter;
  /** Told of each call that was refused, or in dark mode would have been. */
  readonly onRefuse?: () => void;
}

/**
 * Refuses calls beyond a rate with `INMESH_RATE_LIMITED`, before anything of them is sent; the error says when there is
 * room again. A call counts once, however many attempts it takes.
 */
export function rateLimitFilter({ clock, limiter, onRefuse }: RateLimitFilterOptions): Filter {
  return tapFilter<Call, Reply, undefined>({
    role: 'rate-limit',
    before: (call) => {
      const waitMs = limiter.take(call.headers, clock.now());
      if (waitMs === 0) return undefined;
      onRefuse?.();
      if (!limiter.options.darkMode) throw limited(call.name, waitMs);
      return undefined;
    },
    succeeded() {},
    failed() {},
  });
}

function limited(service: string, waitMs: number): MeshError {
  const retryAfterMs = Math.ceil(waitMs);
  const message = `${service}: the local rate limit is reached; there is room again in ${retryAfterMs} ms`;
  return new MeshError('INMESH_RATE_LIMITED', message, { service, attempts: 0, retryAfterMs });
}
