/**
 * Why does a new member not get its full share at once? Because it is slow at first: its caches are empty, its code is not
 * compiled. Its weight grows over a time instead, as weight · max(minimum, (t / duration)^(1/aggression)) (Envoy's slow start,
 * `slow_start_config`). Every balancer draws by weight, so it holds for every balancer; of two members drawn those by cost
 * still take the cheaper one, so that an idle newcomer gets up to twice that share.
 *
 * The weights change in steps, by a timer that runs only while somebody warms up.
 */
import type { Clock, Timer } from '../core/clock.ts';

/** How the weight of a member grows. */
export interface WarmupOptions {
  /** For how long, in ms. */
  readonly durationMs: number;
  /** The share of its weight that a member begins with, in percent. 0–100, default 10 (Envoy). */
  readonly minimumPercent: number;
  /** 1 grows evenly, more is faster at the beginning. > 0, default 1 (Envoy). */
  readonly aggression: number;
}

export const warmupDefaults: Omit<WarmupOptions, 'durationMs'> = Object.freeze({ minimumPercent: 10, aggression: 1 });

/** A member whose weight can grow. */
export interface WarmingMember {
  /** The share of its weight that counts, above 0 up to 1. */
  warmth: number;
}

/** So many steps from the minimum to the full weight: each adds a twentieth, and all members are sorted in anew for it. */
const steps = 20;

/** Not 0: a member without weight would never get a call. */
const leastWarmth = 0.001;

/** What {@link Warmup} is connected to. */
export interface WarmupContext {
  readonly clock: Clock;
  readonly options: WarmupOptions;
  /** Weights have changed. */
  readonly onStep: () => void;
}

/** Warms up members of one service. */
export class Warmup {
  private context: WarmupContext;
  private readonly startedAt = new Map<WarmingMember, number>();
  private timer: Timer | undefined = undefined;

  constructor(context: WarmupContext) {
    this.context = context;
  }

  /** A member gets its first calls, or calls again. The caller takes its weight anew. */
  begin(member: WarmingMember): void {
    this.startedAt.set(member, this.context.clock.now());
    member.warmth = this.warmthAfter(0);
    this.startTimer();
  }

  /** A member gets no calls for now, or left. */
  end(member: WarmingMember): void {
    member.warmth = 1;
    if (this.startedAt.delete(member) && this.startedAt.size === 0) this.stopTimer();
  }

  /** Takes other options; those who warm up go on under them. */
  configure(options: WarmupOptions): void {
    this.context = { ...this.context, options };
    this.stopTimer();
    this.grow();
  }

  /** Everybody is warm. */
  close(): void {
    for (const member of this.startedAt.keys()) member.warmth = 1;
    this.startedAt.clear();
    this.stopTimer();
  }

  private grow(): void {
    const now = this.context.clock.now();
    for (const [member, startedAt] of this.startedAt) {
      member.warmth = this.warmthAfter(now - startedAt);
      if (member.warmth === 1) this.startedAt.delete(member);
    }
    if (this.startedAt.size > 0) this.startTimer();
  }

  private warmthAfter(passedMs: number): number {
    const { durationMs, minimumPercent, aggression } = this.context.options;
    // Timers may fire early; the last step is not to be missed by a fraction of a ms.
    if (passedMs + 1 >= durationMs) return 1;
    return Math.max(leastWarmth, minimumPercent / 100, (passedMs / durationMs) ** (1 / aggression));
  }

  private startTimer(): void {
    const { clock, options, onStep } = this.context;
    this.timer ??= clock.setBackgroundTimer(
      () => {
        this.timer = undefined;
        this.grow();
        onStep();
      },
      Math.max(1, options.durationMs / steps),
    );
  }

  private stopTimer(): void {
    if (this.timer !== undefined) this.context.clock.clearTimer(this.timer);
    this.timer = undefined;
  }
}
