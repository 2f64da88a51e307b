import type { Clock } from '../../core/clock.ts';
import { tooLate } from '../../core/deadline.ts';
import type { Filter } from '../../core/filter.ts';
import type { Operation } from '../../core/operation.ts';
import type { Random } from '../../core/random.ts';
import { fullJitterBackoff } from './backoff.ts';
import { pause } from './pause.ts';
import type { RetryBudget } from './retry-budget.ts';

/** What the filter needs. */
export interface CommandRetryOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Of the command. */
  readonly budget: RetryBudget;
  /** Asked before each retry: true when the command must not be repeated now, as when its breaker is open. */
  readonly suppressed: () => boolean;
}

/**
 * Repeats a command that rejects, at most `retries` times and within its budget, and only when it was declared
 * idempotent: of a function the mesh knows neither what it sent nor what its errors mean.
 */
export function commandRetryFilter<O extends Operation, R>(settings: CommandRetryOptions): Filter<O, R> {
  const { clock, budget, suppressed } = settings;
  const defaultBackoff = fullJitterBackoff(settings.random);
  return {
    role: 'retry',
    apply: async (operation, next) => {
      budget.deposit(clock.now());
      const { idempotent, retry } = operation.options;
      let backoff = retry.backoff ?? defaultBackoff;
      for (let retries = 0; ; retries++) {
        try {
          return await next(operation);
        } catch (error) {
          if (idempotent !== true || retries >= retry.max || operation.cancelled || suppressed()) throw error;
          const wait = backoff.next({ attempt: retries + 1 });
          const now = clock.now();
          if (tooLate(operation.deadline, now + wait.duration) || !budget.tryWithdraw(now)) throw error;
          backoff = wait;
          if (wait.duration > 0) await pause(clock, operation, wait.duration);
        }
      }
    },
  };
}
