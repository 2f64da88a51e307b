import type { Clock } from '../../core/clock.ts';
import { MeshError, meshErrorOf } from '../../core/errors.ts';
import type { Filter } from '../../core/filter.ts';
import type { Operation } from '../../core/operation.ts';
import { failure, ignored, type Outcome, outcomeOfError } from '../../core/outcome.ts';
import { tapFilter } from '../../core/tap.ts';
import { type CircuitBreaker, refused } from './circuit-breaker.ts';

/** What the filter needs; the breaker belongs to the service, the route or the command. */
export interface CircuitBreakerFilterOptions<R> {
  readonly clock: Clock;
  readonly breaker: CircuitBreaker;
  /** The verdict on a result: of a reply the one on its head, of a command success. */
  readonly outcomeOf: (result: R) => Outcome;
  /** Whether operations that should be refused are counted and let through. Default false. */
  readonly darkMode?: boolean;
  /** Told of each operation that was refused, or in dark mode would have been. */
  readonly onRefuse?: () => void;
}

/**
 * Refuses operations with `INMESH_CIRCUIT_OPEN` while the circuit is open. Belongs above the retry, so that it counts
 * calls, not attempts.
 */
export function circuitBreakerFilter<O extends Operation, R>(options: CircuitBreakerFilterOptions<R>): Filter<O, R> {
  const { clock, breaker, outcomeOf, darkMode = false, onRefuse } = options;
  return tapFilter<O, R, number>({
    role: 'breaker',
    before: () => {
      const permit = breaker.tryAcquire(clock.now());
      if (permit === refused) {
        onRefuse?.();
        if (!darkMode) throw openError(breaker.service);
      }
      return permit;
    },
    succeeded: (_operation, permit, result) => breaker.onResult(permit, outcomeOf(result), clock.now()),
    failed: (operation, permit, error) => {
      breaker.onResult(permit, outcomeOfRejection(error, operation), clock.now());
    },
  });
}

/**
 * A deadline counts as a failure, a caller who gave up does not count. The error of a command is its own, and a failure.
 * An error of the mesh that is neither about the service nor its limits (`other`: no route, an invalid request) says
 * nothing.
 */
function outcomeOfRejection(error: unknown, operation: Operation): Outcome {
  if (operation.cancelled) return outcomeOfError(operation.cancelReason);
  if (meshErrorOf(error) === undefined) return failure('other');
  const outcome = outcomeOfError(error);
  return outcome.cause === 'other' ? ignored : outcome;
}

function openError(service: string): MeshError {
  return new MeshError('INMESH_CIRCUIT_OPEN', `${service}: the circuit breaker is open`, { service, attempts: 0 });
}
