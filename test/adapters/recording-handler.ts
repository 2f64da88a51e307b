import type { Dispatcher } from 'undici';

/** A handler of undici that takes down what it is told, in order. */
export class RecordingHandler implements Dispatcher.DispatchHandler {
  /** `start`, `head 200`, `data …`, `end`, `error …`, `upgrade 101`. */
  readonly told: string[] = [];
  controller!: Dispatcher.DispatchController;
  error: unknown = undefined;
  /** Resolves with the last event. */
  readonly done: Promise<void>;
  private finish!: () => void;
  private readonly during: Partial<Record<'start' | 'head' | 'data' | 'end' | 'error', () => void>>;

  /** @param during what to do within a callback, after it was taken down. */
  constructor(during: RecordingHandler['during'] = {}) {
    this.during = during;
    this.done = new Promise((resolve) => {
      this.finish = resolve;
    });
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.controller = controller;
    this.told.push('start');
    this.during.start?.();
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number): void {
    this.told.push(`head ${status}`);
    this.during.head?.();
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.told.push(`data ${chunk.toString('latin1')}`);
    this.during.data?.();
  }

  onResponseEnd(): void {
    this.told.push('end');
    this.finish();
    this.during.end?.();
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: Error): void {
    this.told.push(`error ${error?.message}`);
    this.error = error;
    this.finish();
    this.during.error?.();
  }
}
