/**
 * What ends a call that takes too long? One wait, for whatever comes first: before the head the deadline or the head
 * timeout, after it the deadline or the next look at the body. It only *cancels* the call; whoever waits on the call's
 * behalf then rejects with that reason, so no promise is raced.
 */
import type { Call } from '../../core/call.ts';
import { callDefaults } from '../../core/call-options.ts';
import type { Clock } from '../../core/clock.ts';
import { timeoutError } from '../../core/deadline.ts';
import { Delayed, DelayQueue } from '../../core/delay-queue.ts';
import type { MeshError } from '../../core/errors.ts';
import { headerOf } from '../../core/parsed-headers.ts';
import type { Reply } from '../../core/reply.ts';

/**
 * How often within `bodyIdleMs` a body is looked at, so that silence is found after 1 to 1.25 of it. Looking costs
 * a timer, being told of each chunk would cost something for every chunk.
 */
const looksPerIdle = 4;

/** Where the calls of one plan wait: for their heads, and for their bodies. */
export class CallWaits {
  readonly clock: Clock;
  readonly heads: DelayQueue;
  readonly bodies: DelayQueue;

  constructor(clock: Clock) {
    this.clock = clock;
    this.heads = new DelayQueue(clock);
    this.bodies = new DelayQueue(clock);
  }
}

/** Guards one call until the end of its body. */
export class CallWatch extends Delayed {
  private readonly queues: CallWaits;
  private readonly call: Call;
  /** What is waited for. */
  private firesAt = 0;
  private reply: Reply | undefined = undefined;
  private ended = false;
  private looksAt = Number.POSITIVE_INFINITY;
  private seenBytes = 0;
  private quietLooks = 0;

  constructor(waits: CallWaits, call: Call) {
    super();
    this.queues = waits;
    this.call = call;
  }

  /** The call starts. */
  start(): void {
    this.arm();
  }

  /** There is no reply, and there will be none. */
  failed(): void {
    this.end();
  }

  /** The call has its head. */
  headed(reply: Reply): void {
    this.disarm();
    if (reply.body.complete) return;
    this.reply = reply;
    reply.onEnd(() => this.end());
    if (this.ended) return;
    this.seenBytes = reply.body.bytesReceived;
    this.looksAt = this.queues.clock.now() + this.lookMs(reply);
    this.arm();
  }

  private end(): void {
    this.ended = true;
    this.disarm();
  }

  private arm(): void {
    this.firesAt = this.target();
    this.queue.add(this, this.firesAt);
  }

  private disarm(): void {
    this.queue.remove(this);
  }

  private get queue(): DelayQueue {
    return this.reply === undefined ? this.queues.heads : this.queues.bodies;
  }

  /** When something is to be done next. The deadline may move while the call runs, the others do not. */
  private target(): number {
    this.call.refreshDeadline();
    return Math.min(this.call.deadline, this.reply === undefined ? headLimit(this.call) : this.looksAt);
  }

  override onDue(): void {
    // Compared with what was waited for, not with the clock: timers may fire a fraction of a ms early.
    if (this.target() > this.firesAt) this.arm();
    else if (this.call.deadline <= this.firesAt) this.call.cancel(deadlineError(this.call));
    else if (this.reply === undefined) this.call.cancel(headError(this.call));
    else this.look(this.reply);
  }

  private look(reply: Reply): void {
    const { bytesReceived } = reply.body;
    if (bytesReceived !== this.seenBytes) {
      this.seenBytes = bytesReceived;
      this.quietLooks = 0;
    } else if (++this.quietLooks === looksPerIdle) {
      const { call } = this;
      call.cancel(timeoutError('INMESH_BODY_IDLE', call.name, call.options.bodyIdleMs, call.attempts));
      return;
    }
    this.looksAt = this.queues.clock.now() + this.lookMs(reply);
    this.arm();
  }

  /** The time between two looks; `Infinity` when silence is allowed. */
  private lookMs(reply: Reply): number {
    const { bodyIdleMs } = this.call.options;
    // The default is no opinion on streams that are silent by nature. Any other value is one.
    if (bodyIdleMs === callDefaults.bodyIdleMs && mayBeSilent(this.call, reply)) return Number.POSITIVE_INFINITY;
    return bodyIdleMs / looksPerIdle;
  }
}

function mayBeSilent(call: Call, reply: Reply): boolean {
  if (reply.status === 101 || call.method === 'CONNECT') return true;
  return headerOf(reply.headers, 'content-type')?.toLowerCase().startsWith('text/event-stream') === true;
}

function headLimit(call: Call): number {
  return call.startedAt + call.options.headTimeoutMs;
}

/** The deadline of `call` has passed: that of the inbound request when it was the nearer one, else its own timeout. */
export function deadlineError(call: Call): MeshError {
  const { timeoutMs } = call.options;
  const inherited = call.inheritedDeadline < call.startedAt + timeoutMs;
  return timeoutError(inherited ? 'INMESH_DEADLINE' : 'INMESH_TIMEOUT', call.name, timeoutMs, call.attempts);
}

function headError(call: Call): MeshError {
  return timeoutError('INMESH_HEAD_TIMEOUT', call.name, call.options.headTimeoutMs, call.attempts);
}
