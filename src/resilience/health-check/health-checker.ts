/**
 * Why ask endpoints, when calls tell how they do? Because calls tell it too late: the first who meets a broken endpoint is a
 * user, and one that gets no calls tells nothing. A check asks before, and goes on asking an endpoint that is out (Envoy's
 * active health checking, `HealthCheckerImplBase`). A new endpoint counts as healthy until its first check, which is made
 * at once and decides alone, as in Envoy.
 */
import type { Clock, Timer } from '../../core/clock.ts';
import { endpointKey } from '../../core/endpoint.ts';
import { events } from '../../core/events.ts';
import type { Member } from '../../core/member.ts';
import type { Random } from '../../core/random.ts';
import type { HealthCheckOptions } from './health-check-options.ts';

/** What a check came to: `undefined` when the endpoint is well, else what was wrong. */
export type HealthVerdict = string | undefined;

/** What a {@link HealthChecker} is connected to. */
export interface HealthCheckContext {
  /** The service, for events. */
  readonly service: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly options: HealthCheckOptions;
  /** Asks a member as the options say that hold now. Never rejects. */
  readonly ask: (member: Member, options: HealthCheckOptions) => Promise<HealthVerdict>;
  /** A check failed. */
  readonly onFailure: () => void;
  /** A member is unhealthy now for this reason, or healthy. */
  readonly onChange: (member: Member, verdict: HealthVerdict) => void;
}

/** Checks under way at once, at one service; the others wait for their turn. */
const maxAtOnce = 100;

interface Checked {
  readonly member: Member;
  healthy: boolean;
  /** No check of it has ended yet. */
  isNew: boolean;
  /** Verdicts in a row that are not what {@link healthy} says. */
  contrary: number;
  /** Until the next check. */
  timer: Timer | undefined;
}

/** Asks the members of one service. */
export class HealthChecker {
  private readonly context: HealthCheckContext;
  private options: HealthCheckOptions;
  private readonly checked = new Map<Member, Checked>();
  /** Those who wait for their turn; at most all. */
  private readonly line: Checked[] = [];
  private running = 0;

  constructor(context: HealthCheckContext) {
    this.context = context;
    this.options = context.options;
  }

  /** Takes other options. What is known of the members holds until checks say otherwise, the first of them at once. */
  configure(options: HealthCheckOptions): void {
    this.options = options;
    for (const state of this.checked.values()) {
      if (state.timer === undefined) continue;
      this.context.clock.clearTimer(state.timer);
      state.timer = undefined;
      this.enqueue(state);
    }
  }

  /** Asks a member from now on. */
  join(member: Member): void {
    const state: Checked = { member, healthy: true, isNew: true, contrary: 0, timer: undefined };
    this.checked.set(member, state);
    this.enqueue(state);
  }

  /** Asks a member no longer. */
  leave(member: Member): void {
    const state = this.checked.get(member);
    if (state?.timer !== undefined) this.context.clock.clearTimer(state.timer);
    this.checked.delete(member);
  }

  /** Asks nobody any more. What is under way ends unheard. */
  close(): void {
    for (const member of [...this.checked.keys()]) this.leave(member);
    this.line.length = 0;
  }

  private enqueue(state: Checked): void {
    this.line.push(state);
    this.startWaiting();
  }

  private startWaiting(): void {
    while (this.running < maxAtOnce && this.line.length > 0) this.check(this.line.shift() as Checked);
  }

  private check(state: Checked): void {
    if (this.checked.get(state.member) !== state) return;
    this.running++;
    void this.context.ask(state.member, this.options).then((verdict) => {
      this.running--;
      if (this.checked.get(state.member) === state) {
        this.take(state, verdict);
        this.checkLater(state);
      }
      this.startWaiting();
    });
  }

  private checkLater(state: Checked): void {
    const { clock, random } = this.context;
    const { intervalMs, jitterMs } = this.options;
    state.timer = clock.setBackgroundTimer(
      () => {
        state.timer = undefined;
        this.enqueue(state);
      },
      intervalMs + random.next() * jitterMs,
    );
  }

  private take(state: Checked, verdict: HealthVerdict): void {
    const { options } = this;
    const good = verdict === undefined;
    if (!good) this.context.onFailure();
    const threshold = state.isNew ? 1 : good ? options.healthyThreshold : options.unhealthyThreshold;
    state.isNew = false;
    state.contrary = good === state.healthy ? 0 : state.contrary + 1;
    if (state.contrary >= threshold) this.change(state, verdict);
  }

  private change(state: Checked, verdict: HealthVerdict): void {
    const { service, onChange } = this.context;
    state.healthy = verdict === undefined;
    state.contrary = 0;
    onChange(state.member, verdict);
    if (events.health.hasSubscribers) {
      const endpoint = endpointKey(state.member.endpoint);
      events.health.publish({ service, endpoint, healthy: state.healthy, cause: verdict });
    }
  }
}
