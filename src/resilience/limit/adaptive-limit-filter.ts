/**
 * Who is turned away when a service has no room? The call that comes last, and at once: a call that waits for a service
 * that cannot keep up is an answer that nobody waits for any more. The less critical find less room, and so go first.
 * Whoever is let in teaches the limit.
 */
import type { Call } from '../../core/call.ts';
import type { Clock } from '../../core/clock.ts';
import { MeshError } from '../../core/errors.ts';
import type { Filter } from '../../core/filter.ts';
import { outcomeOfError } from '../../core/outcome.ts';
import type { Random } from '../../core/random.ts';
import type { Reply } from '../../core/reply.ts';
import { tapFilter } from '../../core/tap.ts';
import { criticalityShare } from '../criticality-share.ts';
import type { AdaptiveLimit, AdaptiveLimitOptions } from './adaptive-limit.ts';
import { Gradient2 } from './gradient2.ts';
import { SampleWindow } from './sample-window.ts';
import { Vegas } from './vegas.ts';

/** What an adaptive limit needs; it belongs to a service. */
export interface AdaptiveLimiterOptions {
  /** For errors. */
  readonly service: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly options: AdaptiveLimitOptions;
  /** Told of each call that was turned away, or in dark mode would have been. */
  readonly onRefuse?: () => void;
}

/** A call that was let in. */
interface Admitted {
  readonly startedAt: number;
  readonly inFlight: number;
}

/** The calls to a service, and how many of them there may be. */
export class AdaptiveLimiter {
  /** Counts calls, and refuses with `INMESH_OVERFLOW` those beyond the limit. Belongs above the retry. */
  readonly filter: Filter;
  private readonly algorithm: AdaptiveLimit;
  private readonly window = new SampleWindow();
  private inFlight = 0;

  constructor({ service, clock, random, options, onRefuse }: AdaptiveLimiterOptions) {
    const algorithm = options.algorithm === 'VEGAS' ? new Vegas(options, random) : new Gradient2(options);
    this.algorithm = algorithm;
    this.filter = tapFilter<Call, Reply, Admitted>({
      role: 'adaptive-limit',
      before: ({ criticality }) => {
        if (this.inFlight > 0 && this.inFlight + 1 > algorithm.limit * criticalityShare[criticality]) {
          onRefuse?.();
          if (!options.darkMode) throw overflow(service, algorithm.limit);
        }
        this.inFlight++;
        return { startedAt: clock.now(), inFlight: this.inFlight };
      },
      succeeded: (call, admitted, reply) => {
        // What was repeated took the time of several, and of the waits between them.
        if (call.attempts <= 1) this.learn(clock.now(), admitted, reply.status === 503);
        reply.onEnd(() => {
          this.inFlight--;
        });
      },
      failed: (call, admitted, error) => {
        this.inFlight--;
        const { cause } = outcomeOfError(call.cancelled ? call.cancelReason : error);
        if (cause === 'timeout') this.learn(clock.now(), admitted, true);
      },
    });
  }

  private learn(now: number, { startedAt, inFlight }: Admitted, dropped: boolean): void {
    const sample = this.window.add(now, now - startedAt, inFlight, dropped);
    if (sample !== undefined) this.algorithm.sample(sample);
  }

  /** Calls that may be under way at once. */
  get limit(): number {
    return this.algorithm.limit;
  }
}

function overflow(service: string, limit: number): MeshError {
  const message = `${service}: its adaptive limit of ${Math.floor(limit)} calls at once is reached`;
  return new MeshError('INMESH_OVERFLOW', message, { service, attempts: 0 });
}
