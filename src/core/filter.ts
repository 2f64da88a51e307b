/**
 * How is a feature added to a call? As a filter in a stack. `apply` is a property, not a method: a filter that needs
 * an `Attempt` then cannot enter a stack of calls (method parameters are bivariant).
 */
import type { Call } from './call.ts';
import type { Operation } from './operation.ts';
import type { Reply } from './reply.ts';

/** The rest of a stack. */
export type Next<O, R> = (operation: O) => Promise<R>;

/** One layer of a stack. It settles at the head of the reply; see {@link Reply.onEnd} for what outlasts it. */
export interface Filter<O extends Operation = Call, R = Reply> {
  /** Names the layer when a stack is listed; unique in its stack. */
  readonly role: string;
  readonly apply: (operation: O, next: Next<O, R>) => Promise<R>;
  /** What `apply` does, when the layer only watches; a stack fuses neighbouring taps. See `tap.ts`. */
  readonly tap?: Tap<O, R>;
}

/** A layer that watches operations and leaves their results alone. */
export interface Tap<O extends Operation, R, S = unknown> {
  readonly role: string;
  /**
   * Before the rest of the stack.
   *
   * @returns what the other two are handed.
   * @throws to refuse the operation: the layers below never see it, those above see it fail.
   */
  readonly before: (operation: O) => S;
  /** The rest of the stack has resolved. Must not throw. */
  readonly succeeded: (operation: O, state: S, result: R) => void;
  /** The rest of the stack has rejected. Must not throw. */
  readonly failed: (operation: O, state: S, error: unknown) => void;
  /** Runs the rest of the stack, under a context perhaps. One tap of a stack at most has it. */
  readonly around?: (state: S, next: Next<O, R>, operation: O) => Promise<R>;
}
