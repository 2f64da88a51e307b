/**
 * When is a call refused at once? While its service, or its route, is known to fail: waiting for another failure costs
 * the caller time and the service strength (Nygard, "Release It!"; Hystrix). Off by default: a mesh that balances
 * routes around trouble first, and a breaker that opens for one bad endpoint refuses what others could serve.
 *
 * The state machine is our own, synchronous and at one probe at a time: cockatiel's lets surplus callers *wait* for
 * the probe. What opens it is a cockatiel `IBreaker`, so that a user may bring another.
 */
import { CircuitState, type IBreaker } from 'cockatiel';
import { events } from '../../core/events.ts';
import type { Outcome } from '../../core/outcome.ts';

/** When the calls of a service or a route are refused at once. */
export interface CircuitBreakerOptions {
  /** Opens after this many failed calls in a row; 0 switches the criterion off. Default 0. */
  readonly consecutiveErrors: number;
  /** Opens when this share of the calls in the window failed, in percent; 0 switches the criterion off. Default 50. */
  readonly errorPercent: number;
  /** The share counts only from this many calls in the window. Default 20. */
  readonly minRequests: number;
  /** The window, in ms. Default 10,000. */
  readonly windowMs: number;
  /** How long it stays open before one probe, in ms. Default 5,000. */
  readonly openMs: number;
}

/** Hystrix's figures. */
export const circuitBreakerDefaults: CircuitBreakerOptions = Object.freeze({
  consecutiveErrors: 0,
  errorPercent: 50,
  minRequests: 20,
  windowMs: 10_000,
  openMs: 5_000,
});

/** Who decides on a circuit: its figures, or an operator. */
export interface CircuitBreakerMode {
  /** Whether calls that should be refused are counted and let through. Default false. */
  readonly darkMode: boolean;
  /** `OPEN` refuses every call, `CLOSED` none, whatever the figures are; `undefined` (default) goes by them. Hystrix's. */
  readonly forced: 'OPEN' | 'CLOSED' | undefined;
}

export const circuitBreakerModeDefaults: CircuitBreakerMode = Object.freeze({ darkMode: false, forced: undefined });

/** `half-open`: the time is over, and one call at a time finds out. */
export type BreakerState = 'closed' | 'open' | 'half-open';

/** What a circuit breaker is connected to. */
export interface CircuitBreakerContext {
  /** The service or command, for errors and events. */
  readonly service: string;
  /** When the breaker is that of a route: its name. */
  readonly route?: string;
  readonly openMs: number;
  /** Decides when to open, as {@link import('./sampling-breaker.ts').SamplingBreaker}. */
  readonly breaker: IBreaker;
  /** Whether it is open from the start and stays so. Default false. */
  readonly forcedOpen?: boolean;
  /** Told of each change. */
  readonly onStateChange?: (from: BreakerState, to: BreakerState) => void;
}

/** What {@link CircuitBreaker.tryAcquire} answers to a call that may not run. */
export const refused = 0;

/** The state machine. Every permit must be answered by one {@link onResult}, however late. */
export class CircuitBreaker {
  private readonly context: CircuitBreakerContext;
  private current: BreakerState = 'closed';
  /** Grows with each change of state, and is the permit of the calls of that time: results of other times are stale. */
  private generation = 1;
  private probesAt = 0;
  private probing = false;

  constructor(context: CircuitBreakerContext) {
    this.context = context;
    if (context.forcedOpen === true) {
      this.current = 'open';
      this.probesAt = Number.POSITIVE_INFINITY;
    }
  }

  /** An open circuit stays `open` until a call comes to probe it. */
  get state(): BreakerState {
    return this.current;
  }

  /** The service or command, for errors. */
  get service(): string {
    return this.context.service;
  }

  /** The permit for a call at the instant `now`, to be handed to {@link onResult}; or {@link refused}. */
  tryAcquire(now: number): number {
    if (this.current === 'closed') return this.generation;
    if (this.current === 'open') {
      if (now < this.probesAt) return refused;
      this.change('half-open');
    }
    if (this.probing) return refused;
    this.probing = true;
    return this.generation;
  }

  /** The call with `permit` ended at the instant `now`. Ignored ones count as neither; an ignored probe makes room. */
  onResult(permit: number, outcome: Outcome, now: number): void {
    if (permit !== this.generation) return;
    const { breaker } = this.context;
    if (this.current === 'closed') {
      if (outcome.kind === 'success') breaker.success(CircuitState.Closed);
      else if (outcome.kind === 'failure' && breaker.failure(CircuitState.Closed)) this.open(now);
      return;
    }
    this.probing = false;
    if (outcome.kind === 'success') {
      breaker.success(CircuitState.HalfOpen);
      this.change('closed');
    } else if (outcome.kind === 'failure') {
      breaker.failure(CircuitState.HalfOpen);
      this.open(now);
    }
  }

  private open(now: number): void {
    this.probesAt = now + this.context.openMs;
    this.change('open');
  }

  private change(to: BreakerState): void {
    const from = this.current;
    this.current = to;
    this.generation++;
    const { service, route, onStateChange } = this.context;
    onStateChange?.(from, to);
    if (events.breaker.hasSubscribers) {
      events.breaker.publish(route === undefined ? { service, from, to } : { service, route, from, to });
    }
  }
}
