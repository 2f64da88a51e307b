/**
 * Why ask a service the same thing a hundred times at once? A cache that has just expired, or a page that everybody opens,
 * makes many calls that are equal to the last header. They can share one: the first is sent, the others wait for its answer
 * (Hystrix's request collapsing for equal requests; "singleflight" in Go; collapsed forwarding in HTTP caches).
 *
 * What is shared is what a cache might share, and what fits into memory. Whoever gives up leaves; the call goes on while
 * anybody waits for it.
 */
import type { Call } from '../../core/call.ts';
import type { Filter, Next } from '../../core/filter.ts';
import type { Reply } from '../../core/reply.ts';
import { IncomingReply } from '../../http/incoming-reply.ts';

/** Replies with a larger body are not shared, in bytes. */
const maxSharedBytes = 1024 * 1024;

/** Headers that differ from call to call and mean nothing for the answer. */
const incidental = new Set(['traceparent', 'tracestate', 'x-request-id']);

/** What the filter reports. */
export interface CoalesceFilterOptions {
  /** A call joined another one. */
  readonly onJoin?: () => void;
}

/**
 * Lets equal calls that are under way at once share one. Equal are GET or HEAD without a body, with the same host, path and
 * headers (those of tracing apart), that are as critical: none is refused with one that matters less. Belongs below the deadline, so that each caller keeps its own, and above everything
 * that counts what is sent.
 *
 * Calls that wait get the answer, or the error, of the one that was sent, with its options. An answer that may not be
 * shared (a body above 1 MiB or of unknown length, `set-cookie`, `cache-control: private` or `no-store`) goes to the
 * first that waits; the others are sent.
 */
export function coalesceFilter({ onJoin }: CoalesceFilterOptions = {}): Filter<Call, Reply> {
  const flights = new Map<string, Flight>();
  return {
    role: 'coalesce',
    apply: (call, next) => {
      if ((call.method !== 'GET' && call.method !== 'HEAD') || call.body !== null || call.upgrade !== undefined) {
        return next(call);
      }
      const key = keyOf(call);
      const flight = flights.get(key);
      if (flight === undefined) {
        const started = new Flight(call.branch(), next, () => {
          if (flights.get(key) === started) flights.delete(key);
        });
        flights.set(key, started);
        const joined = started.join(call);
        started.start();
        return joined;
      }
      flight.extend(call.deadline);
      onJoin?.();
      return flight.join(call);
    },
  };
}

/** Equal for equal calls. */
function keyOf({ method, authority, path, headers, criticality }: Call): string {
  const parts: string[] = [];
  for (let index = 0; index < headers.length; index += 2) {
    const name = headers[index] as string;
    if (!incidental.has(name)) parts.push(`${name}: ${headers[index + 1]}`);
  }
  // A header's value cannot have a line break.
  return `${method} ${authority} ${path} ${criticality}\n${parts.sort().join('\n')}`;
}

/** A call that waits for the answer of the one that was sent. */
interface Waiter {
  readonly call: Call;
  readonly resolve: (reply: Reply | Promise<Reply>) => void;
  readonly reject: (error: unknown) => void;
  readonly onCancel: (reason: unknown) => void;
}

/** A call that was sent, and those that wait for it. */
class Flight {
  private readonly sent: Call;
  private readonly next: Next<Call, Reply>;
  /** Nobody may join any more. */
  private readonly close: () => void;
  private readonly waiters = new Set<Waiter>();

  constructor(sent: Call, next: Next<Call, Reply>, close: () => void) {
    this.sent = sent;
    this.next = next;
    this.close = close;
  }

  /** Whoever waits longest decides how long it may take. */
  extend(deadline: number): void {
    if (deadline > this.sent.deadline) this.sent.deadline = deadline;
  }

  join(call: Call): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const waiter: Waiter = { call, resolve, reject, onCancel: (reason) => this.leave(waiter, reason) };
      this.waiters.add(waiter);
      call.onCancel(waiter.onCancel);
    });
  }

  start(): void {
    // Whoever started it may have been cancelled before.
    if (this.waiters.size === 0) return;
    this.next(this.sent).then(
      (reply) => this.headed(reply),
      (error: unknown) => this.fail(error),
    );
  }

  private leave(waiter: Waiter, reason: unknown): void {
    this.waiters.delete(waiter);
    waiter.reject(reason);
    if (this.waiters.size > 0) return;
    this.close();
    this.sent.cancel(reason);
  }

  private headed(reply: Reply): void {
    const { waiters } = this;
    if (waiters.size > 1 && maybeShared(reply)) {
      reply.body.bytes().then(
        (bytes) => this.share(reply, bytes),
        (error: unknown) => this.fail(error),
      );
      return;
    }
    this.close();
    const [first, ...others] = [...waiters];
    waiters.clear();
    if (first === undefined) {
      reply.body.destroy();
      return;
    }
    this.handOver(first, reply);
    for (const { call, resolve, onCancel } of others) {
      call.offCancel(onCancel);
      resolve(this.next(call));
    }
  }

  /** As if it had been sent for that caller alone. */
  private handOver({ call, resolve, onCancel }: Waiter, reply: Reply): void {
    call.offCancel(onCancel);
    if (!reply.body.complete) {
      const cancelSent = (reason: unknown) => this.sent.cancel(reason);
      call.onCancel(cancelSent);
      reply.onEnd(() => call.offCancel(cancelSent));
    }
    resolve(this.attribute(call, reply));
  }

  private share(reply: Reply, bytes: Uint8Array): void {
    this.close();
    for (const { call, resolve, onCancel } of this.waiters) {
      call.offCancel(onCancel);
      resolve(copyOf(reply, bytes));
    }
    const [first] = this.waiters;
    if (first !== undefined) this.attribute(first.call, reply);
    this.waiters.clear();
  }

  private fail(error: unknown): void {
    this.close();
    for (const { call, reject, onCancel } of this.waiters) {
      call.offCancel(onCancel);
      reject(error);
    }
    this.waiters.clear();
  }

  /** The attempts are those of the first call that waits. */
  private attribute(call: Call, reply: Reply): Reply {
    const { sent } = this;
    call.attempts = sent.attempts;
    call.lastMember = sent.lastMember;
    call.lastSent = sent.lastSent;
    return reply;
  }
}

function maybeShared({ body, headers }: Reply): boolean {
  const { 'content-length': length, 'cache-control': control = '', 'set-cookie': cookies } = headers;
  if (cookies !== undefined || /\b(?:private|no-store)\b/i.test(String(control))) return false;
  return body.complete ? body.bytesReceived <= maxSharedBytes : Number(length) <= maxSharedBytes;
}

const noControl = { pause() {}, resume() {}, abort() {} };

function copyOf({ status, statusText, headers, outcome }: Reply, bytes: Uint8Array): Reply {
  const copy = new IncomingReply(status, statusText, { ...headers }, undefined, outcome, noControl);
  // A reader may transfer or change what it gets.
  if (bytes.length > 0) copy.body.push(Buffer.from(bytes));
  copy.body.finish();
  return copy;
}
