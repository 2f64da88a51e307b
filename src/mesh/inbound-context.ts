/**
 * How does a call made while a request is served know of that request? Through an `AsyncLocalStorage`: `mesh.inbound()`
 * fills it, every call reads it.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { HeaderList } from '../core/call.ts';
import type { Criticality } from '../core/criticality.ts';

/** What a call inherits from the request that is being served. */
export class InboundContext {
  /** The instant by which the request must be answered; `Infinity` without one, or once it is over for its caller. */
  deadline: number;
  /** Whether its head was sent: then calls under way are not bound by its deadline any more either. */
  answered = false;
  /** Whether the request is itself a retry: then it is not multiplied further down (Kitex's chain stop). */
  readonly isRetry: boolean;
  /** Trace context and request id as they came: sent on when no tracing SDK does. */
  readonly propagated: HeaderList | undefined;
  /** That of the request; `undefined` when it does not say. */
  readonly criticality: Criticality | undefined;

  constructor(
    deadline: number,
    isRetry: boolean,
    propagated: HeaderList | undefined,
    criticality: Criticality | undefined,
  ) {
    this.deadline = deadline;
    this.isRetry = isRetry;
    this.propagated = propagated;
    this.criticality = criticality;
  }
}

/** The context of the request that is being served. */
export const inboundContext = new AsyncLocalStorage<InboundContext>();
