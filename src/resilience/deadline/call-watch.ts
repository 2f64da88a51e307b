/**
 * What ends a call that takes too long? One timer, set to whatever comes first: before the head the deadline or the
 * head timeout, after it the deadline or the next look at the body. It only *cancels* the call; whoever waits on the
 * call's behalf then rejects with that reason, so no promise is raced.
 */
import type { Call } from '../../core/call.ts';
import { callDefaults } from '../../core/call-options.ts';
import type { Clock, Timer } from '../../core/clock.ts';
import { timeoutError } from '../../core/deadline.ts';
import type { MeshError } from '../../core/errors.ts';
import { headerOf } from '../../core/parsed-headers.ts';
import type { Reply } from '../../core/reply.ts';

/**
 * How often within `bodyIdleMs` a body is looked at, so that silence is found after 1 to 1.25 of it. Looking costs
 * a timer, being told of each chunk would cost something for every chunk.
 */
const looksPerIdle = 4;

/** Guards one call until the end of its body. */
export class CallWatch {
  private readonly clock: Clock;
  private readonly call: Call;
  private timer: Timer | undefined = undefined;
  /** What the timer is set to. */
  private firesAt = 0;
  private reply: Reply | undefined = undefined;
  private ended = false;
  private looksAt = Number.POSITIVE_INFINITY;
  private seenBytes = 0;
  private quietLooks = 0;

  constructor(clock: Clock, call: Call) {
    this.clock = clock;
    this.call = call;
  }

  /** The call starts, at the instant `now`. */
  start(now: number): void {
    this.arm(now);
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
    const now = this.clock.now();
    this.looksAt = now + this.lookMs(reply);
    this.arm(now);
  }

  private end(): void {
    this.ended = true;
    this.disarm();
  }

  private arm(now: number): void {
    this.firesAt = this.target();
    if (this.firesAt === Number.POSITIVE_INFINITY) return;
    this.timer = this.clock.setTimer(() => this.onTimer(), this.firesAt - now);
  }

  private disarm(): void {
    if (this.timer === undefined) return;
    this.clock.clearTimer(this.timer);
    this.timer = undefined;
  }

  /** When something is to be done next. The deadline may move while the call runs, the others do not. */
  private target(): number {
    this.call.refreshDeadline();
    return Math.min(this.call.deadline, this.reply === undefined ? headLimit(this.call) : this.looksAt);
  }

  private onTimer(): void {
    this.timer = undefined;
    // Compared with what the timer was set to, not with the clock: timers may fire a fraction of a ms early.
    if (this.target() > this.firesAt) this.arm(this.clock.now());
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
    const now = this.clock.now();
    this.looksAt = now + this.lookMs(reply);
    this.arm(now);
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
