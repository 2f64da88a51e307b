/**
 * How does a schema say what is allowed? The message of every issue is only what is allowed at its place ("an integer
 * from 1 to 10"); what was written there, and where, is added when problems are told. These are the building blocks.
 */
import { z } from 'zod';
import { isPeerName } from '../tls/peer-verification.ts';
import { didYouMean } from './closest-name.ts';
import { durationForms, parseDuration, parseDurationOrZero } from './duration.ts';

/**
 * An object with these fields and no others.
 *
 * Zod gives one issue for all unknown fields of an object; its message has one line for each, in the order of `keys`.
 *
 * @param unsupported fields of Istio's resources that inmesh does not honour yet.
 */
export function fields<S extends z.core.$ZodLooseShape>(shape: S, unsupported: readonly string[] = []) {
  const known = Object.keys(shape);
  return z.strictObject(shape, {
    error: (issue) => {
      if (issue.code !== 'unrecognized_keys') return 'an object';
      return issue.keys.map((key) => unknownField(key, known, unsupported)).join('\n');
    },
  });
}

function unknownField(key: string, known: readonly string[], unsupported: readonly string[]): string {
  if (unsupported.includes(key)) return 'not supported yet';
  return `unknown field; allowed: ${known.join(', ')}${didYouMean(key, known)}`;
}

/** A list. */
export function list<T extends z.ZodType>(item: T) {
  return z.array(item, { error: 'a list' });
}

/** A list with at least one item. */
export function filledList<T extends z.ZodType>(item: T) {
  const error = 'a list with at least one item';
  return z.array(item, { error }).min(1, { error });
}

/** A text of at least one character. */
export function text(allowed: string) {
  return z.string({ error: allowed }).min(1, { error: allowed });
}

/** A text that fulfils `test`. */
export function textThat(allowed: string, test: (value: string) => boolean) {
  return z.string({ error: allowed }).refine(test, { error: allowed });
}

/** A text that matches `pattern`, which also goes into the JSON schema. */
export function textLike(allowed: string, pattern: RegExp) {
  return z.string({ error: allowed }).regex(pattern, { error: allowed });
}

/** More than any process can have; keeps nonsense out. */
export const maxCount = 1_000_000;

/** An integer within bounds, both included. */
export function integer(min: number, max: number) {
  const error = `an integer from ${min} to ${max}`;
  return z.int({ error }).min(min, { error }).max(max, { error });
}

/** A number within bounds, both included. */
export function number(min: number, max: number) {
  const error = `a number from ${min} to ${max}`;
  return z.number({ error }).min(min, { error }).max(max, { error });
}

/** A share in percent. */
export function percent(min = 0, max = 100) {
  const error = `a number from ${min} to ${max} (percent)`;
  return z.number({ error }).min(min, { error }).max(max, { error });
}

/** One of a few words. */
export function oneOf<const V extends readonly string[]>(...values: V) {
  return z.enum(values, {
    error: (issue) => values.join(', ') + (typeof issue.input === 'string' ? didYouMean(issue.input, values) : ''),
  });
}

/** `true` or `false`. */
export function flag() {
  return z.boolean({ error: 'true or false' });
}

/** A duration as text. */
export function duration() {
  return textThat(durationForms, (value) => parseDuration(value) !== undefined);
}

/** A duration as text, which may be 0. */
export function durationOrZero() {
  return textThat(`${durationForms}, or 0s`, (value) => parseDurationOrZero(value) !== undefined);
}

/** A duration as text, or `false` for none. */
export function durationOrNone() {
  const error = `${durationForms}, or false for none`;
  return z.union([textThat(error, (value) => parseDuration(value) !== undefined), z.literal(false)], { error });
}

/** The identities that a server may prove. */
export function peerNames() {
  const error = 'a DNS name or a SPIFFE ID such as spiffe://cluster.local/ns/default/sa/reviews';
  return list(text(error).refine(isPeerName, { error }));
}

const hostPattern = /^(?=.{1,253}$)(?!-)[A-Za-z0-9_-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9_-]{1,63}(?<!-))*$/;

/** The name of a service: a DNS name without a port. */
export function host() {
  return textLike('a host name without a port, such as reviews or reviews.default.svc', hostPattern);
}

/** Labels of an endpoint or a subset. */
export function labels() {
  const value = z.string({ error: 'a text (quote numbers)' });
  return z.record(z.string(), value, { error: 'an object of texts' });
}

/** `exact` or `prefix`, one of them. */
export function textMatch(part: z.ZodString) {
  return fields({ exact: part.optional(), prefix: part.optional() }, ['regex']).refine(
    (match) => (match.exact === undefined) !== (match.prefix === undefined),
    { error: 'one of exact and prefix' },
  );
}
