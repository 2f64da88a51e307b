import { Attempt } from '../../src/core/attempt.ts';
import { Call, type HeaderList } from '../../src/core/call.ts';
import { callDefaults } from '../../src/core/call-options.ts';
import { makeEndpoint } from '../../src/core/endpoint.ts';
import type { Member } from '../../src/core/member.ts';
import { type Outcome, success } from '../../src/core/outcome.ts';
import type { Reply } from '../../src/core/reply.ts';

/** A call of `reviews`, with a secret in every place that must not be told. */
export function makeCall(
  parts: { startedAt?: number; method?: string; authority?: string; headers?: HeaderList } = {},
): Call {
  const {
    startedAt = 0,
    method = 'GET',
    authority = 'reviews:8080',
    headers = ['authorization', 'Bearer secret'],
  } = parts;
  return new Call(
    'reviews',
    callDefaults,
    Number.POSITIVE_INFINITY,
    startedAt,
    method,
    authority,
    '/reviews/42?token=secret',
    headers,
    null,
    true,
  );
}

export const member: Member = {
  endpoint: makeEndpoint({ host: '127.0.0.1', port: 9081 }),
  inFlight: 0,
  oldestWaiting: Number.POSITIVE_INFINITY,
  healthy: true,
  warmth: 1,
  load: { observe() {}, cost: () => 0 },
};

export function makeAttempt(call: Call, number = 1, startedAt = 0): Attempt {
  call.attempts = number;
  return new Attempt(call, number, member, startedAt);
}

/** A reply whose body ends when the test says so. */
export class ScriptedReply {
  readonly reply: Reply;
  private listeners: ((final: Outcome) => void)[] = [];

  constructor(status: number, outcome: Outcome = success) {
    this.reply = {
      status,
      statusText: '',
      rawHeaders: [],
      headers: {},
      outcome,
      body: {} as Reply['body'],
      addHeader() {},
      onEnd: (listener) => this.listeners.push(listener),
    };
  }

  end(final: Outcome = this.reply.outcome): void {
    for (const listener of this.listeners.splice(0)) listener(final);
  }
}
