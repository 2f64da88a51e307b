/**
 * How does a rule of a document become one of the router? With its names in lower case and its weights decided, here.
 */
import type { RouteMatch, TextMatch } from '../routing/match.ts';
import type { CheckedDocument } from './check-document.ts';
import { compileBreaker, compileCall } from './compile-call.ts';
import { compileRateLimit } from './compile-overload.ts';
import { fingerprint } from './fingerprint.ts';
import type { RouteConfig } from './mesh-config.ts';

/** A route that has the form of the schema. */
export type CheckedRoute = NonNullable<CheckedDocument['routes']>[number];

/** One of its rules. */
export type CheckedRule = CheckedRoute['http'][number];

/** Compiles the rules of a route without problems. */
export function compileRoute(route: CheckedRoute): readonly RouteConfig[] {
  return Object.freeze(route.http.map(compileRule));
}

function compileRule(rule: CheckedRule, index: number): RouteConfig {
  const shape = {
    name: rule.name ?? `http[${index}]`,
    matches: Object.freeze((rule.match ?? []).map(compileMatch)),
    destinations: Object.freeze(
      rule.route.map(({ destination, weight }) =>
        Object.freeze({ host: destination.host.toLowerCase(), subset: destination.subset, weight: weight ?? 1 }),
      ),
    ),
    circuitBreaker: compileBreaker(rule),
    rateLimit: compileRateLimit(rule),
    call: compileCall(rule),
  };
  return Object.freeze({ ...shape, fingerprint: fingerprint(shape) });
}

function compileMatch({ uri, method, headers }: NonNullable<CheckedRule['match']>[number]): RouteMatch {
  return Object.freeze({
    path: uri && compileText(uri),
    method: method && compileText(method),
    headers: Object.freeze(
      Object.entries(headers ?? {}).map(([name, value]) =>
        Object.freeze({ name: name.toLowerCase(), value: compileText(value) }),
      ),
    ),
  });
}

function compileText(match: { exact?: string | undefined; prefix?: string | undefined }): TextMatch {
  return match.exact === undefined
    ? Object.freeze({ kind: 'prefix', text: match.prefix! })
    : Object.freeze({ kind: 'exact', text: match.exact });
}
