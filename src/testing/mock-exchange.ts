/**
 * How does the answer of a handler get back? As that of a server would: through the listener and the controller of undici,
 * the body piece by piece and only as fast as it is read.
 */
import type { Dispatcher } from 'undici';
import type { Attempt } from '../core/attempt.ts';
import { parsedHeadersOf } from '../http/reply-of.ts';
import type { Exchange } from '../transport/exchange.ts';

type Controller = Dispatcher.DispatchController;

/** One request to a handler; also the controller that the mesh holds. */
export class MockExchange {
  readonly rawHeaders = undefined;
  readonly rawTrailers = undefined;
  aborted = false;
  paused = false;
  reason: unknown = null;
  private readonly attempt: Attempt;
  private readonly listener: Exchange;
  private readonly gone = new AbortController();
  private over = false;
  private onResume: (() => void) | undefined = undefined;

  constructor(attempt: Attempt, listener: Exchange) {
    this.attempt = attempt;
    this.listener = listener;
    listener.onRequestStart(this.controller);
  }

  /** Aborted when the caller no longer waits. */
  get signal(): AbortSignal {
    return this.gone.signal;
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
    this.onResume?.();
    this.onResume = undefined;
  }

  abort(reason: unknown): void {
    if (this.over) return;
    this.aborted = true;
    this.reason = reason;
    this.fail(reason);
    this.gone.abort(reason);
    this.resume();
  }

  /** The connection is gone. */
  fail(error: unknown): void {
    if (this.over) return;
    this.over = true;
    this.listener.onResponseError(this.controller, error as Error);
  }

  /** Sends `response`; resolves when all of it is sent or nobody wants the rest. */
  async answer(response: Response): Promise<void> {
    if (this.over) {
      await response.body?.cancel(this.reason);
      return;
    }
    this.listener.onResponseStart(this.controller, response.status, parsedHeadersOf(response), response.statusText);
    if (response.body !== null && this.attempt.call.method !== 'HEAD') {
      // Leaving the loop cancels the stream.
      for await (const chunk of response.body) {
        if (this.paused) await this.resumed();
        if (this.over) return;
        this.listener.onResponseData(this.controller, chunk);
      }
    }
    if (this.over) return;
    this.over = true;
    this.listener.onResponseEnd(this.controller);
  }

  private get controller(): Controller {
    return this as unknown as Controller;
  }

  private resumed(): Promise<void> {
    return new Promise((resolve) => {
      this.onResume = resolve;
    });
  }
}
