/**
 * How is a call cancelled? Through its {@link Operation}: whoever waits for something on its behalf (a queue, a
 * backoff, a connection) registers with `onCancel` and must then settle at once. No `AbortSignal` is made on the hot
 * path (it costs more than the whole rest of an attempt's bookkeeping).
 */
import type { ResolvedCallOptions } from './call-options.ts';
import { type Criticality, defaultCriticality } from './criticality.ts';

/** Called with the reason when an operation is cancelled. */
export type CancelListener = (reason: unknown) => void;

/** Something the mesh does on behalf of a caller: a call, one of its attempts, or a guarded command. */
export class Operation {
  /** For people: the service or the command. */
  readonly name: string;
  readonly options: ResolvedCallOptions;
  /** The instant, of the mesh's clock, after which nothing may happen any more; `Infinity` without one. */
  deadline: number;
  readonly parent: Operation | undefined;
  /** What is refused first when there is not enough for all: that of the options, or what was inherited. */
  criticality: Criticality;
  /** Whether {@link cancel} was called. */
  cancelled = false;
  /** Why; `undefined` until then. */
  cancelReason: unknown = undefined;
  private listeners: CancelListener | CancelListener[] | undefined = undefined;

  constructor(name: string, options: ResolvedCallOptions, deadline: number, parent?: Operation) {
    this.name = name;
    this.options = options;
    this.deadline = deadline;
    this.parent = parent;
    this.criticality = options.criticality ?? defaultCriticality;
  }

  /** Ends the operation with `reason`. Only the first call counts.. */
  cancel(reason: unknown): void {
    if (this.cancelled) return;
    this.cancelled = true;
    this.cancelReason = reason;
    const listeners = this.listeners;
    this.listeners = undefined;
    if (listeners === undefined) return;
    if (typeof listeners === 'function') listeners(reason);
    else for (const listener of listeners) listener(reason);
  }

  /** Registers `listener`; it is called at once when the operation is cancelled already. */
  onCancel(listener: CancelListener): void {
    if (this.cancelled) listener(this.cancelReason);
    else if (this.listeners === undefined) this.listeners = listener;
    else if (typeof this.listeners === 'function') this.listeners = [this.listeners, listener];
    else this.listeners.push(listener);
  }

  /** Forgets `listener`; one that is not registered is ignored. */
  offCancel(listener: CancelListener): void {
    if (this.listeners === listener) this.listeners = undefined;
    else if (Array.isArray(this.listeners)) {
      const index = this.listeners.indexOf(listener);
      if (index >= 0) this.listeners.splice(index, 1);
    }
  }

  /** How many listeners are registered; a test looks here for leaks. */
  get listenerCount(): number {
    if (this.listeners === undefined) return 0;
    return typeof this.listeners === 'function' ? 1 : this.listeners.length;
  }
}
