import { Attempt } from '../../src/core/attempt.ts';
import { Call, type ReplayableBody } from '../../src/core/call.ts';
import { type CallOptions, callDefaults, resolveCallOptions } from '../../src/core/call-options.ts';
import { deadlineOf } from '../../src/core/deadline.ts';
import type { Member } from '../../src/core/member.ts';
import { Operation } from '../../src/core/operation.ts';
import { fakeMember } from '../balancing/fake-member.ts';

/** What a test says of a call; the rest is a GET of nothing special. */
export interface FakeCallParts extends CallOptions {
  method?: string;
  body?: ReplayableBody | null;
  startedAt?: number;
  inheritedDeadline?: number;
}

/** A call as the mesh makes it. */
export function fakeCall(parts: FakeCallParts = {}): Call {
  const { method = 'GET', body = null, startedAt = 0, inheritedDeadline = Number.POSITIVE_INFINITY, ...rest } = parts;
  const options = resolveCallOptions(callDefaults, rest);
  const deadline = deadlineOf(startedAt, options.timeoutMs, inheritedDeadline);
  const idempotent = rest.idempotent ?? method !== 'POST';
  const call = new Call('reviews', options, deadline, startedAt, method, 'reviews', '/', [], body, idempotent);
  call.inheritedDeadline = inheritedDeadline;
  return call;
}

/** An attempt of `call`. */
export function fakeAttempt(call: Call = fakeCall(), member: Member = fakeMember()): Attempt {
  return new Attempt(call, 1, member, call.startedAt);
}

/** A guarded command. */
export function fakeCommand(overrides: CallOptions = {}): Operation {
  return new Operation('charge', resolveCallOptions(callDefaults, overrides), Number.POSITIVE_INFINITY);
}

/** A request body of one character. */
export function fakeBody(replayable: boolean): ReplayableBody {
  return { length: 1, replayable, open: () => 'x', release() {}, discard() {} };
}

/** A promise that rejects when `operation` is cancelled, as every leaf does. */
export function untilCancelled<R>(operation: Operation): Promise<R> {
  return new Promise((_, reject) => operation.onCancel(reject));
}
