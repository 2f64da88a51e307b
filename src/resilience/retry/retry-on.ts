/**
 * May this attempt be repeated? Three questions, in this order: could the server have acted on it (then only if the
 * call is idempotent), does the server forbid it, and is it of a kind that the options list. The tokens mean what they
 * mean in Envoy's `x-envoy-retry-on` (`source/common/router/retry_state_impl.cc`) and `x-envoy-retry-grpc-on`.
 */

import type { Sent } from '../../core/call.ts';
import type { RetryOn, RetryOptions } from '../../core/call-options.ts';
import type { Outcome } from '../../core/outcome.ts';
import { headerOf } from '../../core/parsed-headers.ts';
import type { Reply } from '../../core/reply.ts';

/**
 * Too Early belongs to whoever sent early data (RFC 8470, 5.2). The mesh sends none, so it has nothing to repeat
 * differently.
 */
const tooEarly = 425;

/**
 * The token of `options.on` because of which an attempt may be repeated, or `undefined`.
 *
 * @param outcome the verdict on the attempt.
 * @param sent what the server may have seen of it; a head proves that it saw all.
 * @param idempotent whether repeating does no harm.
 * @param reply the head; `undefined` when the attempt ended with an error.
 */
export function retryReason(
  outcome: Outcome,
  sent: Sent,
  idempotent: boolean,
  options: Pick<RetryOptions, 'on'>,
  reply: Pick<Reply, 'status' | 'headers'> | undefined,
): RetryOn | undefined {
  const { on } = options;
  if (reply !== undefined) {
    if (reply.status < 400 && !on.has('unavailable') && !on.has('cancelled')) return undefined;
    if (!idempotent || forbidden(outcome)) return undefined;
    return reasonOfReply(reply, on);
  }
  if (outcome.kind !== 'failure' || forbidden(outcome)) return undefined;
  if (sent === 'maybe' && !idempotent) return undefined;
  return reasonOfFailure(outcome, sent, on);
}

/** gRPC's pushback: a negative wait means do not retry. */
function forbidden(outcome: Outcome): boolean {
  return outcome.retryAfterMs !== undefined && outcome.retryAfterMs < 0;
}

function reasonOfReply({ status, headers }: Pick<Reply, 'status' | 'headers'>, on: RetryOptions['on']) {
  if (status === tooEarly) return undefined;
  const exact = `${status}` as const;
  if (on.has(exact)) return exact;
  if (status >= 500 && on.has('5xx')) return '5xx';
  if (status >= 502 && status <= 504 && on.has('gateway-error')) return 'gateway-error';
  if (status === 409 && on.has('retriable-4xx')) return 'retriable-4xx';
  // Envoy knows a limit by its own header; any other server says 429.
  if (on.has('envoy-ratelimited') && (status === 429 || headers['x-envoy-ratelimited'] !== undefined)) {
    return 'envoy-ratelimited';
  }
  return reasonOfGrpcStatus(headerOf(headers, 'grpc-status'), on);
}

/** A gRPC call that failed at once has its status among the headers ("trailers only"). */
function reasonOfGrpcStatus(grpcStatus: string | undefined, on: RetryOptions['on']): RetryOn | undefined {
  if (grpcStatus === '14' && on.has('unavailable')) return 'unavailable';
  return grpcStatus === '1' && on.has('cancelled') ? 'cancelled' : undefined;
}

/** An attempt without a head. Limits and errors of our own making (`overflow`, `other`) would only repeat themselves. */
function reasonOfFailure({ cause }: Outcome, sent: Sent, on: RetryOptions['on']): RetryOn | undefined {
  if (cause === 'overflow' || cause === 'other' || cause === undefined) return undefined;
  if (sent === 'none' && on.has('connect-failure')) return 'connect-failure';
  if (sent === 'none' && on.has('reset-before-request')) return 'reset-before-request';
  if (sent === 'refused' && on.has('refused-stream')) return 'refused-stream';
  if (on.has('reset')) return 'reset';
  // In Envoy these two include every attempt without a reply.
  if (on.has('5xx')) return '5xx';
  return on.has('gateway-error') ? 'gateway-error' : undefined;
}
