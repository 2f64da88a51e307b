/**
 * How do the fields about overload become options? With their defaults, here.
 */
import { type AdmissionOptions, admissionDefaults } from '../resilience/admission/admission-control.ts';
import { type RateLimitOptions, rateLimitDefaults } from '../resilience/rate-limit/rate-limiter.ts';
import type { CheckedDocument } from './check-document.ts';
import { ms } from './compile-call.ts';

type Rule = NonNullable<CheckedDocument['routes']>[number]['http'][number];
type Policy = NonNullable<NonNullable<CheckedDocument['services']>[number]['trafficPolicy']>;

/** The admission control of a policy; one without has none. */
export function compileAdmission({ admissionControl: given }: Policy): AdmissionOptions | undefined {
  if (given === undefined) return undefined;
  const defaults = admissionDefaults;
  return Object.freeze({
    k: given.k ?? defaults.k,
    windowMs: ms(given.window) ?? defaults.windowMs,
    minRequestsPerSecond: given.minRequestsPerSecond ?? defaults.minRequestsPerSecond,
    maxRejectionPercent: given.maxRejectionPercent ?? defaults.maxRejectionPercent,
    darkMode: given.darkMode ?? defaults.darkMode,
  });
}

/** The rate limit of a service or a route; one without has none. */
export function compileRateLimit({
  localRateLimit: given,
}: Pick<Rule, 'localRateLimit'>): RateLimitOptions | undefined {
  if (given === undefined) return undefined;
  const { tokenBucket, key, darkMode } = given;
  return Object.freeze({
    maxTokens: tokenBucket.maxTokens,
    tokensPerFill: tokenBucket.tokensPerFill ?? rateLimitDefaults.tokensPerFill,
    fillIntervalMs: ms(tokenBucket.fillInterval),
    headerName: key?.httpHeaderName.toLowerCase(),
    darkMode: darkMode ?? rateLimitDefaults.darkMode,
  });
}
