/**
 * How does something stay in a registry that forgets? By telling it again and again, sooner than it forgets; while the
 * registry does not answer, after waits of the same kind as those of watches.
 */
import type { Clock, Timer } from '../../core/clock.ts';
import type { ReconnectDelay } from './reconnect-delay.ts';

/** What is kept up. */
export interface UpkeepOptions {
  readonly clock: Clock;
  readonly delay: ReconnectDelay;
  /** From the end of a run that went well to the next, in ms. */
  readonly intervalMs: number;
  /** Tells the registry; rejects when that failed. Never runs twice at a time. */
  readonly run: () => Promise<void>;
  /** Told of the first failure after a success, not of each. */
  readonly failed: (error: Error) => void;
}

/** Work that is repeated in the background until it is ended. */
export class Upkeep {
  private readonly options: UpkeepOptions;
  private timer: Timer | undefined;
  /** The instant of the next run. */
  private dueAt = 0;
  private running: Promise<void> | undefined;
  /** Another run was asked for while one was under way. */
  private isDue = false;
  private isFailing = false;
  private ended = false;

  constructor(options: UpkeepOptions) {
    this.options = options;
  }

  /** The first run begins after one interval. */
  start(): void {
    this.runAfter(this.options.intervalMs);
  }

  /** A run begins now, or when the one under way is over. */
  now(): void {
    if (this.ended) return;
    if (this.running !== undefined) {
      this.isDue = true;
      return;
    }
    if (this.timer !== undefined) this.options.clock.clearTimer(this.timer);
    this.isDue = false;
    this.running = this.run();
  }

  /** The next run begins within this, in ms; after one that is under way, at once. */
  within(delayMs: number): void {
    if (this.running !== undefined) this.isDue = true;
    else if (this.timer !== undefined && this.options.clock.now() + delayMs < this.dueAt) this.runAfter(delayMs);
  }

  /** No further run begins. Resolves when none is under way. */
  async end(): Promise<void> {
    this.ended = true;
    if (this.timer !== undefined) this.options.clock.clearTimer(this.timer);
    await this.running;
  }

  private async run(): Promise<void> {
    const { run, delay, intervalMs, failed } = this.options;
    let delayMs = intervalMs;
    try {
      await run();
      this.isFailing = false;
      delay.reset();
    } catch (error) {
      delayMs = delay.next();
      if (!this.isFailing && !this.ended) failed(error as Error);
      this.isFailing = true;
    }
    this.running = undefined;
    if (this.isDue) this.now();
    else this.runAfter(delayMs);
  }

  private runAfter(delayMs: number): void {
    if (this.ended) return;
    const { clock } = this.options;
    if (this.timer !== undefined) clock.clearTimer(this.timer);
    this.dueAt = clock.now() + delayMs;
    this.timer = clock.setBackgroundTimer(() => this.now(), delayMs);
  }
}
