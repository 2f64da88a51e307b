/**
 * How is a circuit breaker made for the calls of a service or a route? With its own window, its filter, and a gauge.
 */
import type { Call } from '../core/call.ts';
import type { Clock } from '../core/clock.ts';
import type { Reply } from '../core/reply.ts';
import { CircuitBreaker } from '../resilience/circuit-breaker/circuit-breaker.ts';
import { circuitBreakerFilter } from '../resilience/circuit-breaker/circuit-breaker-filter.ts';
import { SamplingBreaker } from '../resilience/circuit-breaker/sampling-breaker.ts';
import { breakerStates } from '../telemetry/service-metrics.ts';
import type { MeshParts } from './mesh-parts.ts';

const gauge = { closed: breakerStates.closed, 'half-open': breakerStates.halfOpen, open: breakerStates.open } as const;

/** Makes the breakers of a mesh. */
export function breakerPart(clock: Clock): MeshParts['breaker'] {
  return (service, route, options, metrics) => {
    const { darkMode, forced } = options;
    metrics.breakerState = forced === 'OPEN' ? breakerStates.open : breakerStates.closed;
    if (forced === 'CLOSED') return { state: { state: 'closed' }, filter: undefined, refuses: () => false };
    const state = new CircuitBreaker({
      service,
      ...(route === undefined ? undefined : { route }),
      openMs: options.openMs,
      forcedOpen: forced === 'OPEN',
      breaker: new SamplingBreaker(clock, options),
      onStateChange: (_from, to) => {
        metrics.breakerState = gauge[to];
      },
    });
    return {
      state,
      refuses: () => !darkMode && state.state === 'open',
      filter: circuitBreakerFilter<Call, Reply>({
        clock,
        breaker: state,
        outcomeOf: (reply) => reply.outcome,
        darkMode,
        onRefuse: () => {
          metrics.breakerRefusals++;
        },
      }),
    };
  };
}
