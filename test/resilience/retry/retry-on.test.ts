import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type RetryOn, retryDefaults, retryOnTokens } from '../../../src/core/call-options.ts';
import { type Cause, causes, failure, ignored, success } from '../../../src/core/outcome.ts';
import { retryReason } from '../../../src/resilience/retry/retry-on.ts';
import { FakeReply } from '../fake-reply.ts';

function on(...tokens: RetryOn[]) {
  return { on: new Set(tokens) };
}

function ofReply(status: number, options: { on: ReadonlySet<RetryOn> }, headers = {}, idempotent = true) {
  const reply = new FakeReply(status, { headers });
  return retryReason(reply.outcome, 'maybe', idempotent, options, reply);
}

function ofFailure(cause: Cause, sent: 'none' | 'maybe' | 'refused', idempotent: boolean, options = retryDefaults) {
  return retryReason(failure(cause), sent, idempotent, options, undefined);
}

describe('retryReason of a reply', () => {
  it.each([
    [500, '500'],
    [502, '502'],
    [503, '503'],
    [504, '504'],
    [501, undefined],
    [429, undefined],
    [404, undefined],
    [200, undefined],
  ])('by default takes %i for %s', (status, reason) => {
    expect(ofReply(status, retryDefaults)).toBe(reason);
  });

  it.each<[RetryOn, number, boolean]>([
    ['5xx', 500, true],
    ['5xx', 599, true],
    ['5xx', 499, false],
    ['gateway-error', 502, true],
    ['gateway-error', 504, true],
    ['gateway-error', 500, false],
    ['gateway-error', 505, false],
    ['retriable-4xx', 409, true],
    ['retriable-4xx', 404, false],
    ['envoy-ratelimited', 429, true],
    ['envoy-ratelimited', 503, false],
    ['418', 418, true],
    ['connect-failure', 503, false],
    ['reset', 503, false],
  ])('%s and %i: %s', (token, status, expected) => {
    expect(ofReply(status, on(token))).toBe(expected ? token : undefined);
  });

  it('knows the rate limit of Envoy by its header', () => {
    expect(ofReply(503, on('envoy-ratelimited'), { 'x-envoy-ratelimited': 'true' })).toBe('envoy-ratelimited');
  });

  it('knows a gRPC call that failed at once by its status among the headers', () => {
    expect(ofReply(200, on('unavailable'), { 'grpc-status': '14' })).toBe('unavailable');
    expect(ofReply(200, on('cancelled'), { 'grpc-status': '1' })).toBe('cancelled');
    expect(ofReply(200, on('unavailable'), { 'grpc-status': '1' })).toBeUndefined();
    expect(ofReply(200, on('unavailable'))).toBeUndefined();
  });

  it('hands on 425, whatever is listed', () => {
    expect(ofReply(425, on('425', 'retriable-4xx'))).toBeUndefined();
  });

  it('never repeats a request that is not idempotent: the head proves that it arrived', () => {
    expect(ofReply(503, on('503', '5xx', 'gateway-error'), {}, false)).toBeUndefined();
  });

  it('obeys a pushback', () => {
    expect(ofReply(503, retryDefaults, { 'grpc-retry-pushback-ms': '-1' })).toBeUndefined();
    expect(ofReply(503, retryDefaults, { 'grpc-retry-pushback-ms': '20' })).toBe('503');
  });
});

describe('retryReason of an attempt without a head', () => {
  it('repeats what was never sent, for every method', () => {
    expect(ofFailure('connect-failure', 'none', false)).toBe('connect-failure');
    expect(ofFailure('timeout', 'none', false)).toBe('connect-failure');
    expect(ofFailure('identity', 'none', false)).toBe('connect-failure');
  });

  it('repeats what the server refused unprocessed, for every method', () => {
    expect(ofFailure('refused-stream', 'refused', false)).toBe('refused-stream');
    expect(ofFailure('refused-stream', 'refused', false, { ...retryDefaults, on: new Set(['503']) })).toBeUndefined();
  });

  it('repeats what may have been processed only when that does no harm', () => {
    expect(ofFailure('reset', 'maybe', true)).toBe('reset');
    expect(ofFailure('reset', 'maybe', false)).toBeUndefined();
    expect(ofFailure('timeout', 'maybe', true)).toBe('reset');
    expect(ofFailure('timeout', 'maybe', false)).toBeUndefined();
  });

  it('counts a missing reply among 5xx and gateway errors, as Envoy does', () => {
    expect(retryReason(failure('reset'), 'maybe', true, on('5xx'), undefined)).toBe('5xx');
    expect(retryReason(failure('timeout'), 'maybe', true, on('gateway-error'), undefined)).toBe('gateway-error');
    expect(retryReason(failure('reset'), 'none', true, on('reset-before-request'), undefined)).toBe(
      'reset-before-request',
    );
    expect(retryReason(failure('reset'), 'maybe', true, on('reset-before-request'), undefined)).toBeUndefined();
  });

  it('does not repeat limits, errors of our own making and cancellations', () => {
    expect(ofFailure('overflow', 'none', true)).toBeUndefined();
    expect(ofFailure('other', 'none', true)).toBeUndefined();
    expect(retryReason(ignored, 'maybe', true, retryDefaults, undefined)).toBeUndefined();
    expect(retryReason(success, 'maybe', true, retryDefaults, undefined)).toBeUndefined();
  });

  it('answers with a token of the options, and never when it could do harm', () => {
    const withoutHead = causes.filter((cause) => cause !== 'status');
    fc.assert(
      fc.property(
        fc.constantFrom(...withoutHead),
        fc.constantFrom('none' as const, 'maybe' as const, 'refused' as const),
        fc.boolean(),
        fc.subarray([...retryOnTokens]),
        (cause, sent, idempotent, tokens) => {
          const reason = retryReason(failure(cause), sent, idempotent, on(...tokens), undefined);
          if (reason !== undefined) expect(tokens).toContain(reason);
          if (sent === 'maybe' && !idempotent) expect(reason).toBeUndefined();
        },
      ),
    );
  });
});
