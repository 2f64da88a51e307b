/**
 * What did the mesh do with this call? `NODE_DEBUG=inmesh` prints a line for each call and each attempt to stderr. The
 * lines hold names, outcomes and times; no query, no header, no body.
 */
import { debuglog } from 'node:util';
import type { Attempt } from '../core/attempt.ts';
import type { Call } from '../core/call.ts';
import { endpointKey } from '../core/endpoint.ts';
import { meshErrorOf } from '../core/errors.ts';
import type { Outcome } from '../core/outcome.ts';
import { withoutQuery } from './trace-attributes.ts';

/** Prints when NODE_DEBUG names inmesh. Test `enabled` before formatting anything. */
export const log = debuglog('inmesh');

/** One line for a call that is over. */
export function logCall(
  call: Call,
  status: number | undefined,
  outcome: Outcome,
  error: unknown,
  durationMs: number,
): void {
  const attempts = call.attempts === 1 ? '1 attempt' : `${call.attempts} attempts`;
  log('%s', `call    ${what(call)}: ${result(status, outcome, error)} in ${durationMs.toFixed(1)} ms, ${attempts}`);
}

/** One line for an attempt that has its head or its error. */
export function logAttempt(
  attempt: Attempt,
  status: number | undefined,
  outcome: Outcome,
  error: unknown,
  durationMs: number,
): void {
  const where = `#${attempt.number} at ${endpointKey(attempt.member.endpoint)}`;
  log('%s', `attempt ${what(attempt.call)} ${where}: ${result(status, outcome, error)} in ${durationMs.toFixed(1)} ms`);
}

function what(call: Call): string {
  return `${call.method} ${call.name}${withoutQuery(call.path)}`;
}

function result(status: number | undefined, outcome: Outcome, error: unknown): string {
  const verdict = outcome.cause === undefined ? outcome.kind : `${outcome.kind} (${outcome.cause})`;
  return `${status ?? meshErrorOf(error)?.code ?? 'cancelled'} ${verdict}`;
}
