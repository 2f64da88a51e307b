/**
 * Which calls are under way? Those whose last byte or error has not come yet. A mesh that closes waits for them, and
 * ends those that take too long.
 */
import type { Call } from '../core/call.ts';
import { MeshError } from '../core/errors.ts';
import type { Filter } from '../core/filter.ts';
import type { Reply } from '../core/reply.ts';
import { tapFilter } from '../core/tap.ts';

const overReason = new MeshError('INMESH_ABORTED', 'the call is over');

/** The calls under way. */
export class ActiveCalls {
  /** Keeps them, and lets go of the bodies of those that are over. */
  readonly filter: Filter;
  private readonly calls = new Set<Call>();
  private onIdle: (() => void) | undefined = undefined;

  constructor() {
    this.filter = tapFilter<Call, Reply, undefined>({
      role: 'active',
      before: (call) => {
        this.calls.add(call);
        return undefined;
      },
      succeeded: (call, _state, reply) => {
        // The call is committed: its body will not be sent again.
        call.body?.release();
        reply.onEnd(() => this.end(call, overReason));
      },
      failed: (call, _state, error) => this.end(call, error),
    });
  }

  /** Resolves when no call is under way. */
  idle(): Promise<void> {
    if (this.calls.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.onIdle = resolve;
    });
  }

  /** Ends the calls under way, whatever they wait for: a head, a body, a place in a queue or their next attempt. */
  cancelAll(reason: MeshError): void {
    for (const call of this.calls) call.cancel(reason);
  }

  private end(call: Call, reason: unknown): void {
    call.body?.discard(reason);
    this.calls.delete(call);
    if (this.calls.size === 0) this.onIdle?.();
  }
}
