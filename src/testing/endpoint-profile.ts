/**
 * How does a fake endpoint behave? As its profile says: how fast it answers, with what, how much it can take, and what
 * goes wrong with it, when and how often. Everything that a real connection can do to a call is a {@link Fault}.
 */
import type { Latency } from './latency.ts';

/** When a fault happens. */
export interface FaultWindow {
  /** From this instant on, in ms since the start of the simulation. Default 0. */
  readonly fromMs?: number;
  /** Before this instant. Default: for ever. */
  readonly untilMs?: number;
  /** How likely a request in that time meets it, 0–1. Default 1. */
  readonly probability?: number;
}

/** Something that goes wrong with a request. */
export type Fault = FaultWindow &
  (
    | {
        /** Nobody listens at the port. Nothing was sent. */
        readonly kind: 'refuse-connection';
      }
    | {
        /** Nobody answers the SYN: a connect failure after the connect timeout of the service. Nothing was sent. */
        readonly kind: 'connect-timeout';
      }
    | {
        /** The server states that it did not process the request (HTTP/2, REFUSED_STREAM). */
        readonly kind: 'refuse-stream';
      }
    | {
        /** The connection breaks when the head is due: the server may have processed the request. */
        readonly kind: 'reset-before-head';
      }
    | {
        /** The connection breaks after half of the body; at once after the head of an empty one. */
        readonly kind: 'reset-in-body';
      }
    | {
        /** The request is taken and never answered. */
        readonly kind: 'stall';
      }
    | {
        /** The head comes, and half of the body, and no more. */
        readonly kind: 'stall-in-body';
      }
    | {
        /** The head has this status. */
        readonly kind: 'status';
        readonly status: number;
        readonly headers?: Readonly<Record<string, string>>;
      }
    | {
        /** The head takes this much longer. */
        readonly kind: 'slow-head';
        readonly extra: Latency;
      }
    | {
        /** The body comes in pieces, one every so often. */
        readonly kind: 'slow-body';
        readonly everyMs: Latency;
        /** How many. Default 8. */
        readonly chunks?: number;
      }
  );

/** The body of every reply of an endpoint. */
export interface BodyProfile {
  /** In all. Default 16. */
  readonly bytes?: number;
  /** In how many pieces. Default 1. */
  readonly chunks?: number;
  /** The time before each piece. Default 0: the body comes together with the head. */
  readonly everyMs?: Latency;
}

/** How much an endpoint can take. */
export interface Capacity {
  /** How many requests it works on at once; the others wait in order of arrival. ≥ 1. */
  readonly concurrency: number;
  /** How many may wait; one more is answered 503 at once. Default: any number. */
  readonly maxQueue?: number;
  /** Whether it works on requests whose client is gone, as servers do that do not look. Default false: they make room. */
  readonly finishesAbandoned?: boolean;
}

/** One endpoint of a fake network. */
export interface EndpointProfile {
  /** From the start of the work on a request to the head of its reply. Default 5 ms. */
  readonly latency?: Latency;
  /** The time that it takes to connect, for each request. Default 0. */
  readonly connectMs?: Latency;
  /** Default 200. */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: BodyProfile;
  /** Default: unlimited. A request whose client is gone is dropped, and makes room. */
  readonly capacity?: Capacity;
  /** A request meets the first of these that applies to it. */
  readonly faults?: readonly Fault[];
}
