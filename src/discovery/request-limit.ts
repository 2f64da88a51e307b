/**
 * What if a process begins a thousand watches at once? Then a few ask, and the others wait for their turn: time limits
 * of requests begin when they are sent, and the registry is not asked everything in one moment.
 */

/** Lets a few pieces of work run at a time. */
export class RequestLimit {
  private free: number;
  private readonly waiting: (() => void)[] = [];

  constructor(atOnce: number) {
    this.free = atOnce;
  }

  /**
   * Runs `work` when it is its turn. What waits is bounded by who asks.
   *
   * @throws the reason of `signal` when that is aborted before its turn; whatever `work` throws.
   */
  async run<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    if (this.free > 0) this.free--;
    else await new Promise<void>((turn) => this.waiting.push(turn));
    try {
      signal.throwIfAborted();
      return await work();
    } finally {
      const next = this.waiting.shift();
      if (next === undefined) this.free++;
      else next();
    }
  }
}
