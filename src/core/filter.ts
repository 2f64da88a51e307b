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
}
