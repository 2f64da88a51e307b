/**
 * How does a cockatiel policy of the caller's own get around a call? Outermost. Each execution is a call of its own, so
 * that a policy that times out and tries again does not find the call cancelled. A call that is not idempotent is
 * executed again only while no server may have seen it.
 */
import type { IPolicy } from 'cockatiel';
import { Call } from '../core/call.ts';
import type { Clock } from '../core/clock.ts';
import type { Filter, Next } from '../core/filter.ts';
import { orCancelled } from '../core/or-cancelled.ts';
import type { Reply } from '../core/reply.ts';
import { discardReply } from '../http/discard-reply.ts';
import { CallWaits, CallWatch } from '../resilience/deadline/call-watch.ts';

/** Runs a call under `options.policy`. A result that the policy judges is a reply, with `status` and `headers`. */
export function policyFilter(clock: Clock): Filter {
  const waits = new CallWaits(clock);
  return { role: 'policy', apply: (call, next) => new PolicyRun(waits, call, next).run() };
}

/** One call under its policy. */
class PolicyRun {
  private readonly clock: Clock;
  private readonly call: Call;
  private readonly next: Next<Call, Reply>;
  /** Each execution looks at the time by itself; this one does while the policy waits. */
  private readonly watch: CallWatch;
  /** Tells the policy that nobody waits for it any more. */
  private readonly gone = new AbortController();
  private readonly replies: Reply[] = [];
  /** Executions under way. */
  private running = 0;
  private over = false;
  private former: { readonly execution: Call; readonly result: Promise<Reply> } | undefined = undefined;

  constructor(waits: CallWaits, call: Call, next: Next<Call, Reply>) {
    this.clock = waits.clock;
    this.call = call;
    this.next = next;
    this.watch = new CallWatch(waits, call);
  }

  async run(): Promise<Reply> {
    const { call, gone, watch } = this;
    const onCancel = (reason: unknown) => gone.abort(reason);
    call.onCancel(onCancel);
    this.policyWaits();
    try {
      const running = (call.options.policy as IPolicy).execute((context) => this.execute(context), gone.signal);
      const reply = await orCancelled(call, running);
      for (const other of this.replies) if (other !== reply) discardReply(other, this.clock);
      return reply;
    } catch (error) {
      for (const reply of this.replies) discardReply(reply, this.clock);
      throw error;
    } finally {
      this.over = true;
      call.offCancel(onCancel);
      watch.failed();
    }
  }

  private execute({ signal }: { readonly signal: AbortSignal }): Promise<Reply> {
    const { call, former } = this;
    // A server may have seen it, and nobody said that it may see it twice: the policy gets what it had.
    if (former?.execution.lastSent === 'maybe' && !call.idempotent) return former.result;
    const execution = again(call);
    const result = this.send(execution, signal);
    this.former = { execution, result };
    return result;
  }

  private async send(execution: Call, signal: AbortSignal): Promise<Reply> {
    const { call, watch, replies } = this;
    if (call.cancelled) throw call.cancelReason;
    watch.failed();
    this.running++;
    const onParentCancel = (reason: unknown) => execution.cancel(reason);
    const onAbort = () => execution.cancel(signal.reason);
    call.onCancel(onParentCancel);
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
    try {
      const reply = await this.next(execution);
      // The policy has its result, and does not wait for this one.
      if (this.over) discardReply(reply, this.clock);
      else replies.push(reply);
      reply.onEnd(() => call.offCancel(onParentCancel));
      return reply;
    } catch (error) {
      call.offCancel(onParentCancel);
      throw error;
    } finally {
      // The signal is for the head: a policy's timeout aborts it when the function has returned, and would cut the body.
      signal.removeEventListener('abort', onAbort);
      this.running--;
      if (!this.over && this.running === 0) this.policyWaits();
    }
  }

  private policyWaits(): void {
    this.watch.failed();
    this.watch.start();
  }
}

function again(call: Call): Call {
  const { name, options, deadline, startedAt, method, authority, path, headers, body, idempotent } = call;
  const copy = new Call(name, options, deadline, startedAt, method, authority, path, headers, body, idempotent);
  copy.upgrade = call.upgrade;
  copy.isRepeat = call.isRepeat;
  copy.inheritedDeadline = call.inheritedDeadline;
  copy.inheritance = call.inheritance;
  return copy;
}
