/**
 * How do several calls get one answer? The one that is sent is a branch of the first, with its limits in time. Its head
 * goes to all that wait, and each chunk of its body; each of them may leave, and it goes on while anybody is left.
 *
 * When it ends because the time of the first is over, the others have not had theirs: they are sent together anew.
 */
import type { Call } from '../../core/call.ts';
import { tooLate } from '../../core/deadline.ts';
import type { Next } from '../../core/filter.ts';
import type { Reply } from '../../core/reply.ts';
import { discardReply } from '../../http/discard-reply.ts';
import { IncomingReply } from '../../http/incoming-reply.ts';
import { type CallWaits, CallWatch } from '../deadline/call-watch.ts';

/** Replies with a larger body are not shared, in bytes. */
const maxSharedBytes = 1024 * 1024;

/** What a flight is connected to. */
export interface FlightContext {
  readonly next: Next<Call, Reply>;
  readonly waits: CallWaits;
  /** Nobody may join any more. */
  readonly onClose: (flight: Flight) => void;
  /** Sends a call, together with others that are equal. */
  readonly again: (call: Call) => Promise<Reply>;
}

/** A call that waits for the answer of the one that was sent. */
interface Waiter {
  readonly call: Call;
  readonly resolve: (reply: Reply | Promise<Reply>) => void;
  readonly reject: (error: unknown) => void;
  readonly onCancel: (reason: unknown) => void;
  /** Its own reply, once the head is there. */
  copy: IncomingReply | undefined;
}

/** A call that was sent, and those that wait for it. */
export class Flight {
  private readonly first: Call;
  private readonly sent: Call;
  private readonly context: FlightContext;
  private readonly watch: CallWatch;
  private readonly waiters = new Set<Waiter>();

  constructor(first: Call, context: FlightContext) {
    this.first = first;
    this.sent = first.branch();
    this.context = context;
    this.watch = new CallWatch(context.waits, this.sent);
  }

  join(call: Call): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const onCancel = (reason: unknown) => this.leave(waiter, reason);
      const waiter: Waiter = { call, resolve, reject, onCancel, copy: undefined };
      this.waiters.add(waiter);
      call.onCancel(onCancel);
    });
  }

  start(): void {
    // Whoever started it may have been cancelled before.
    if (this.waiters.size === 0) return;
    this.watch.start();
    this.context.next(this.sent).then(
      (reply) => this.headed(reply),
      (error: unknown) => this.fail(error),
    );
  }

  private leave(waiter: Waiter, reason: unknown): void {
    if (!this.waiters.delete(waiter)) return;
    waiter.call.offCancel(waiter.onCancel);
    if (waiter.copy === undefined) waiter.reject(reason);
    else waiter.copy.body.fail(reason);
    if (this.waiters.size > 0) return;
    this.close();
    this.sent.cancel(reason);
  }

  private headed(reply: Reply): void {
    const { waiters } = this;
    if (waiters.size === 0) {
      this.close();
      this.watch.failed();
      discardReply(reply, this.context.waits.clock);
      return;
    }
    if (waiters.size === 1 || !mayBeShared(reply)) {
      this.handOver(reply);
      return;
    }
    // Each of them has a deadline of its own for the body; silence is the same for all.
    this.sent.deadline = Number.POSITIVE_INFINITY;
    this.sent.inheritedDeadline = Number.POSITIVE_INFINITY;
    this.watch.headed(reply);
    // Who comes from here on would not know whether the rest of the body comes too.
    this.close();
    const [first] = waiters;
    if (first !== undefined) this.attribute(first.call);
    for (const waiter of waiters) this.share(waiter, reply);
    reply.body.forward({
      data: (chunk) => {
        for (const { copy } of waiters) copy?.body.push(chunk);
        return true;
      },
      end: (rawTrailers) => this.end(({ body }) => body.finish(rawTrailers)),
      error: (error) => this.end(({ body }) => body.fail(error)),
    });
  }

  /** The whole reply to the first, as if it had been sent for that caller alone; the others ask by themselves. */
  private handOver(reply: Reply): void {
    this.close();
    // The caller's own limits hold from here on.
    this.watch.failed();
    const { sent, waiters, context } = this;
    const [first, ...others] = [...waiters] as [Waiter, ...Waiter[]];
    waiters.clear();
    const { call } = first;
    call.offCancel(first.onCancel);
    if (!reply.body.complete) {
      const cancelSent = (reason: unknown) => sent.cancel(reason);
      call.onCancel(cancelSent);
      reply.onEnd(() => call.offCancel(cancelSent));
    }
    this.attribute(call);
    first.resolve(reply);
    for (const waiter of others) {
      waiter.call.offCancel(waiter.onCancel);
      waiter.resolve(context.next(waiter.call));
    }
  }

  private share(waiter: Waiter, { status, statusText, headers, outcome }: Reply): void {
    const control = { pause() {}, resume() {}, abort: (reason: unknown) => this.leave(waiter, reason) };
    const copy = new IncomingReply(status, statusText, { ...headers }, undefined, outcome, control, true);
    waiter.copy = copy;
    waiter.resolve(copy);
  }

  private end(each: (copy: IncomingReply) => void): void {
    const waiters = [...this.waiters];
    this.waiters.clear();
    for (const { call, copy, onCancel } of waiters) {
      call.offCancel(onCancel);
      if (copy !== undefined) each(copy);
    }
  }

  private fail(error: unknown): void {
    this.close();
    this.watch.failed();
    // It was ended for the time that its first call had.
    const timedOut = this.sent.cancelled;
    const waiters = [...this.waiters];
    this.waiters.clear();
    for (const { call, resolve, reject, onCancel } of waiters) {
      call.offCancel(onCancel);
      if (timedOut && this.hasTime(call)) resolve(this.context.again(call));
      else reject(error);
    }
  }

  /** Whether a call has time left; the first had as much as the one that was sent. */
  private hasTime(call: Call): boolean {
    return !call.cancelled && call !== this.first && !tooLate(call.deadline, this.context.waits.clock.now());
  }

  private close(): void {
    this.context.onClose(this);
  }

  /** The attempts are those of one call. */
  private attribute(call: Call): void {
    const { sent } = this;
    call.attempts = sent.attempts;
    call.lastMember = sent.lastMember;
    call.lastAttempt = sent.lastAttempt;
    call.lastSent = sent.lastSent;
  }
}

/** What a cache might share, and what is known to fit into memory. */
function mayBeShared({ body, headers }: Reply): boolean {
  const { 'content-length': length, 'cache-control': control = '', 'set-cookie': cookies } = headers;
  if (cookies !== undefined || /\b(?:private|no-store)\b/i.test(String(control))) return false;
  return body.complete ? body.bytesReceived <= maxSharedBytes : Number(length) <= maxSharedBytes;
}
