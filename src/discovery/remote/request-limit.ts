/**
 * What if a process begins a thousand watches at once? Then a few ask, and the others wait for their turn: time limits
 * of requests begin when they are sent, and the registry is not asked everything in one moment.
 */

/** Lets a few pieces of work run at a time. */
export class RequestLimit {
  private free: number;
  /** In their order. */
  private readonly waiting = new Set<() => void>();

  constructor(atOnce: number) {
    this.free = atOnce;
  }

  /**
   * Runs `work` when it is its turn. What waits is bounded by who asks.
   *
   * @throws the reason of `signal` as soon as that is aborted before its turn; whatever `work` throws.
   */
  async run<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    if (this.free > 0) this.free--;
    else await this.turn(signal);
    try {
      // It may have been aborted between its turn and now.
      signal.throwIfAborted();
      return await work();
    } finally {
      const [next] = this.waiting;
      if (next === undefined) this.free++;
      else next();
    }
  }

  private turn(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const abort = () => {
        this.waiting.delete(turn);
        reject(signal.reason);
      };
      const turn = () => {
        this.waiting.delete(turn);
        signal.removeEventListener('abort', abort);
        resolve();
      };
      this.waiting.add(turn);
      signal.addEventListener('abort', abort, { once: true });
    });
  }
}
