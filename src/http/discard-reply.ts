import type { Clock } from '../core/clock.ts';
import type { Reply } from '../core/reply.ts';

/** How long the rest of a reply that nobody wants may take, in ms; beyond it a new connection is cheaper. */
const discardMs = 1_000;

/**
 * Nobody will read this reply: a small rest is read to keep the connection, one that is large or does not come is broken
 * off. Nothing else would end it: the limits of a call hold for the reply that its caller gets.
 */
export function discardReply(reply: Reply, clock: Clock): void {
  const { body } = reply;
  if (!body.complete) {
    const timer = clock.setBackgroundTimer(() => body.destroy(), discardMs);
    reply.onEnd(() => clock.clearTimer(timer));
  }
  body.dump().catch(() => {
    // It failed already; why is in its outcome.
  });
}
