import type { Duplex } from 'node:stream';
import { ignored, type Outcome, outcomeOfHead } from '../../src/core/outcome.ts';
import type { Reply, ReplyBody } from '../../src/core/reply.ts';

/** A reply whose body a test lets arrive, end and fail. Only what filters use is there. */
export class FakeReply implements Reply {
  readonly status: number;
  readonly statusText = '';
  readonly rawHeaders: readonly Buffer[] = [];
  readonly headers: Reply['headers'];
  readonly outcome: Outcome;
  readonly body: ReplyBody;
  readonly socket: Duplex | undefined = undefined;
  bytesReceived = 0;
  dumps = 0;
  private final: Outcome | undefined = undefined;
  private listeners: ((final: Outcome) => void)[] = [];

  /** @param options `streaming`: the body goes on after the head. */
  constructor(
    status: number,
    options: { headers?: Reply['headers']; streaming?: boolean; dump?: () => Promise<void> } = {},
  ) {
    this.status = status;
    this.headers = options.headers ?? {};
    this.outcome = outcomeOfHead(status, this.headers, () => 0);
    if (!options.streaming) this.final = this.outcome;
    const reply = this;
    this.body = {
      get complete() {
        return reply.final === reply.outcome;
      },
      get bytesReceived() {
        return reply.bytesReceived;
      },
      dump() {
        reply.dumps++;
        return options.dump?.() ?? Promise.resolve();
      },
      destroy() {
        reply.end(ignored);
      },
    } as ReplyBody;
  }

  addHeader(): void {}

  onEnd(listener: (final: Outcome) => void): void {
    if (this.final === undefined) this.listeners.push(listener);
    else listener(this.final);
  }

  /** The body ends. */
  end(final: Outcome = this.outcome): void {
    this.final = final;
    for (const listener of this.listeners.splice(0)) listener(final);
  }
}
