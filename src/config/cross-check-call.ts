/**
 * Do the limits in time and the retries of one policy agree with each other?
 */
import { type CallPolicy, ms } from './compile-call.ts';
import type { DocumentPath } from './document-path.ts';
import type { Findings } from './findings.ts';

/** Checks a call policy at `path`. */
export function checkCallPolicy(policy: CallPolicy, path: DocumentPath, findings: Findings): void {
  const { retries, circuitBreaker: breaker, localRateLimit } = policy;
  if (retries !== undefined) checkRetries(retries, [...path, 'retries'], findings);
  const canOpen = breaker?.errorPercent !== 0 || breaker.consecutiveErrors || breaker.forced !== undefined;
  if (!canOpen) {
    findings.problem([...path, 'circuitBreaker'], 'can never open: errorPercent and consecutiveErrors are both 0');
  }
  const { maxTokens, tokensPerFill } = localRateLimit?.tokenBucket ?? {};
  if (maxTokens !== undefined && tokensPerFill !== undefined && tokensPerFill > maxTokens) {
    const place = [...path, 'localRateLimit', 'tokenBucket', 'tokensPerFill'];
    findings.problem(place, `is ${tokensPerFill}; allowed: at most maxTokens ${maxTokens}`);
  }
}

function checkRetries(retries: NonNullable<CallPolicy['retries']>, path: DocumentPath, findings: Findings): void {
  if (retries.max !== undefined && retries.attempts !== undefined) {
    findings.problem([...path, 'attempts'], 'is the same as max; only one of them is allowed');
  }
  const { baseInterval, maxInterval } = retries.backoff ?? {};
  if (baseInterval !== undefined && maxInterval !== undefined && ms(maxInterval) < ms(baseInterval)) {
    findings.problem(
      [...path, 'backoff', 'maxInterval'],
      `is ${maxInterval}; allowed: at least baseInterval ${baseInterval}`,
    );
  }
}

/**
 * Checks that an attempt fits into the call, where each may be set by a rule or by its service (`base`).
 */
export function checkPerTryTimeout(
  policy: CallPolicy,
  base: CallPolicy | undefined,
  path: DocumentPath,
  findings: Findings,
): void {
  const own = policy.retries?.perTryTimeout;
  const perTry = own ?? base?.retries?.perTryTimeout;
  const timeout = policy.timeout ?? base?.timeout;
  if (perTry === undefined || timeout === undefined || timeout === false || ms(perTry) <= ms(timeout)) return;
  if (own !== undefined) {
    findings.problem([...path, 'retries', 'perTryTimeout'], `is ${own}; allowed: at most timeout ${timeout}`);
  } else if (policy.timeout !== undefined) {
    findings.problem([...path, 'timeout'], `is ${timeout}; allowed: at least perTryTimeout ${perTry} of the service`);
  }
}
