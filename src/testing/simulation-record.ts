/**
 * What happened in a simulation? Written down from two sides, so that the checkers need not believe one of them: what
 * callers saw ({@link SimulatedCall}), and what the mesh announced on its channels. The third side, what the servers saw,
 * is written down by the network.
 */
import type { Call } from '../core/call.ts';
import type { Clock } from '../core/clock.ts';
import { events } from '../core/events.ts';
import { findHeader } from '../http/header-list.ts';
import { requestKeyHeader } from './fake-network.ts';

/** What is known of a call before it is made. */
export interface CallFacts {
  /** For people: what the URL names. */
  readonly host: string;
  readonly method: string;
  /** Whether it may be sent twice. */
  readonly idempotent: boolean;
  /** The whole call, in ms; `Infinity` without a limit of its own. */
  readonly timeoutMs: number;
}

/** A call as its caller sees it. Whoever makes it calls the methods. */
export class SimulatedCall {
  readonly facts: CallFacts;
  /** Goes out as `x-request-id`. */
  readonly key: string;
  readonly startedAt: number;
  /** By then the head must be there, or an error. */
  headDeadline = Number.POSITIVE_INFINITY;
  /** By then everything must be over. */
  deadline: number;
  /** When its caller gave up. */
  abortedAt = Number.POSITIVE_INFINITY;
  /** When each head or error came; one is right. */
  readonly settledAt: number[] = [];
  /** When each end of a body came that was read; one is right when {@link reading}. */
  readonly readAt: number[] = [];
  /** Whether the caller reads the body to its end. */
  reading = false;
  status: number | undefined = undefined;
  error: unknown = undefined;
  private readonly clock: Clock;

  constructor(facts: CallFacts, key: string, clock: Clock) {
    this.facts = facts;
    this.key = key;
    this.clock = clock;
    this.startedAt = clock.now();
    this.deadline = this.startedAt + facts.timeoutMs;
  }

  /** The head came. */
  head(status: number): void {
    this.status = status;
    this.settledAt.push(this.clock.now());
  }

  /** An error came in place of the head. */
  fail(error: unknown): void {
    this.error = error;
    this.settledAt.push(this.clock.now());
  }

  /** The body was read to its end, or broke. */
  read(): void {
    this.readAt.push(this.clock.now());
  }

  /** The caller gives up. */
  abort(): void {
    this.abortedAt = Math.min(this.abortedAt, this.clock.now());
  }
}

/** Something that the mesh announced of a call. */
export interface Announcement {
  readonly at: number;
  readonly service: string;
  readonly key: string;
}

/** The health of a service at some instant. */
export interface HealthSample {
  readonly at: number;
  readonly service: string;
  readonly endpoints: number;
  readonly ejected: number;
  /** In force at that instant; 0 when ejection is off. */
  readonly maxEjectionPercent: number;
}

/** Everything that was written down. Grows with the simulation. */
export class SimulationRecord {
  readonly calls: SimulatedCall[] = [];
  /** Calls that entered the stack of a service, one for each execution of a policy. */
  readonly starts: Announcement[] = [];
  readonly ends: Announcement[] = [];
  readonly retries: Announcement[] = [];
  readonly health: HealthSample[] = [];
  /** For the search for listeners that were left behind. */
  readonly meshCalls: Call[] = [];
  private readonly clock: Clock;
  private readonly byKey = new Map<string, SimulatedCall>();
  private readonly keyPrefix: string;
  private readonly onEjection: () => void;

  /** @param onEjection called when an endpoint was ejected, perhaps of another mesh of the process. */
  constructor(clock: Clock, keyPrefix: string, onEjection: () => void) {
    this.clock = clock;
    this.keyPrefix = keyPrefix;
    this.onEjection = onEjection;
    events.callStart.subscribe(this.onStart);
    events.callEnd.subscribe(this.onEnd);
    // Both pay from one budget.
    for (const repeat of [events.retry, events.hedge]) repeat.subscribe(this.onRetry);
    events.eject.subscribe(this.onEjection);
  }

  /** Notes a call that is about to be made. */
  begin(facts: CallFacts): SimulatedCall {
    const call = new SimulatedCall(facts, `${this.keyPrefix}.${this.calls.length + 1}`, this.clock);
    this.calls.push(call);
    this.byKey.set(call.key, call);
    return call;
  }

  /** Listens no longer. */
  close(): void {
    events.callStart.unsubscribe(this.onStart);
    events.callEnd.unsubscribe(this.onEnd);
    for (const repeat of [events.retry, events.hedge]) repeat.unsubscribe(this.onRetry);
    events.eject.unsubscribe(this.onEjection);
  }

  private readonly onStart = (message: unknown): void => {
    const { service, call } = message as { service: string; call: Call };
    const simulated = this.note(this.starts, service, call);
    if (simulated === undefined) return;
    this.meshCalls.push(call);
    simulated.deadline = Math.min(simulated.deadline, call.deadline);
    simulated.headDeadline = call.startedAt + call.options.headTimeoutMs;
  };

  private readonly onEnd = (message: unknown): void => {
    const { service, call } = message as { service: string; call: Call };
    this.note(this.ends, service, call);
  };

  private readonly onRetry = (message: unknown): void => {
    const { service, call } = message as { service: string; call: Call };
    this.note(this.retries, service, call);
  };

  /** The channels are those of the process: what other meshes announce is left out. */
  private note(list: Announcement[], service: string, call: Call): SimulatedCall | undefined {
    const key = findHeader(call.headers, requestKeyHeader);
    const simulated = key === undefined ? undefined : this.byKey.get(key);
    if (simulated !== undefined) list.push({ at: this.clock.now(), service, key: simulated.key });
    return simulated;
  }
}
