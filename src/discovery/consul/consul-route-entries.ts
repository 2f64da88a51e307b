/**
 * Which rules does a service-router stand for? One each, in the same order; what no rule matches goes to the service
 * itself. A rule that cannot be had leaves out the router: the requests that it is for would go to a later rule.
 */
import { maxRetries, retryOnTokens } from '../../core/call-options.ts';
import { type Destinations, type SharedDestination, weightsOf } from './consul-destinations.ts';
import {
  durationText,
  EntryProblem,
  type EntryProblems,
  type Fields,
  objects,
  otherFields,
  requireLocal,
  requireOnly,
  text,
} from './consul-entry.ts';

/** What is dropped of a destination without a change of where a request goes. */
const droppable = ['RequestHeaders', 'ResponseHeaders', 'IdleTimeout'];

const destinationFields = [
  ...['Service', 'ServiceSubset', 'Namespace', 'Partition', 'RequestTimeout', 'NumRetries'],
  ...['RetryOnConnectFailure', 'RetryOnStatusCodes', 'RetryOn'],
];

/** A rule of a document that leads to `destinations`. */
export function ruleTo(destinations: readonly SharedDestination[]): Fields {
  const weights = weightsOf(destinations);
  const route = destinations.map(({ service, subset }, index) => ({
    destination: { host: service, ...(subset === undefined ? undefined : { subset }) },
    ...(destinations.length === 1 ? undefined : { weight: weights[index] }),
  }));
  return { route };
}

/**
 * The rules of a service-router, the last one for everything else.
 *
 * @throws EntryProblem for one that cannot be had.
 */
export function rulesOfRouter(entry: Fields, destinations: Destinations, problems: EntryProblems): readonly Fields[] {
  const rules = objects(entry.Routes).map((route, index) => {
    const place = `Routes[${index}].`;
    const http = ((route.Match as Fields | null | undefined)?.HTTP ?? {}) as Fields;
    const destination = (route.Destination ?? {}) as Fields;
    const ends = endsOf(destination, entry, `${place}Destination.`, destinations);
    return {
      name: `${entry.Name}[${index}]`,
      ...matchOf(http, `${place}Match.HTTP.`),
      ...callPolicyOf(destination, entry, `${place}Destination.`, problems),
      ...ruleTo(ends),
    };
  });
  return [...rules, { name: `${entry.Name} otherwise`, ...ruleTo(destinations.of(String(entry.Name), undefined)) }];
}

function endsOf(
  destination: Fields,
  entry: Fields,
  place: string,
  destinations: Destinations,
): readonly SharedDestination[] {
  requireLocal(destination, entry, place);
  requireOnly(destination, [...destinationFields, ...droppable], place);
  return destinations.of(text(destination.Service) ?? String(entry.Name), text(destination.ServiceSubset));
}

/** RFC 9110, token, as far as methods go. */
const methodForm = /^[A-Z][A-Z0-9-]*$/;
const pathForm = /^\/[^?#]*$/;
const headerForm = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

function matchOf(http: Fields, place: string): { match?: readonly Fields[] } {
  requireOnly(http, ['PathExact', 'PathPrefix', 'Header', 'Methods'], place);
  const [exact, prefix] = [text(http.PathExact), text(http.PathPrefix)];
  for (const path of [exact, prefix]) {
    if (path !== undefined && !pathForm.test(path)) throw new EntryProblem(`${place}Path: no path without a query`);
  }
  const headers = headersOf(objects(http.Header), `${place}Header`);
  const base = {
    ...(exact === undefined ? undefined : { uri: { exact } }),
    ...(prefix === undefined ? undefined : { uri: { prefix } }),
    ...(Object.keys(headers).length === 0 ? undefined : { headers }),
  };
  const methods = (http.Methods ?? []) as readonly string[];
  if (!methods.every((method) => methodForm.test(method))) throw new EntryProblem(`${place}Methods: no methods`);
  if (methods.length > 0) return { match: methods.map((method) => ({ ...base, method: { exact: method } })) };
  return Object.keys(base).length === 0 ? {} : { match: [base] };
}

function headersOf(conditions: readonly Fields[], place: string): Record<string, Fields> {
  const headers: Record<string, Fields> = {};
  conditions.forEach((condition, index) => {
    const at = `${place}[${index}].`;
    requireOnly(condition, ['Name', 'Exact', 'Prefix'], at);
    const name = (text(condition.Name) ?? '').toLowerCase();
    const [exact, prefix] = [text(condition.Exact), text(condition.Prefix)];
    if (!headerForm.test(name) || (exact === undefined) === (prefix === undefined)) {
      throw new EntryProblem(`${at}Name: no header with Exact or Prefix`);
    }
    if (Object.hasOwn(headers, name)) throw new EntryProblem(`${at}Name: two conditions for one header`);
    headers[name] = exact === undefined ? { prefix } : { exact };
  });
  return headers;
}

function callPolicyOf(destination: Fields, entry: Fields, place: string, problems: EntryProblems): Fields {
  for (const field of otherFields(destination, destinationFields)) {
    problems.dropped(entry, `${place}${field}`, 'not supported');
  }
  const timeout = durationText(destination.RequestTimeout, `${place}RequestTimeout`);
  const retries = retriesOf(destination, entry, place, problems);
  return { ...(timeout === undefined ? undefined : { timeout }), ...(retries && { retries }) };
}

/** Undefined where the entry says nothing of retries; then the service's own count. */
function retriesOf(destination: Fields, entry: Fields, place: string, problems: EntryProblems): Fields | undefined {
  const { NumRetries, RetryOnConnectFailure, RetryOnStatusCodes, RetryOn } = destination;
  const supported = (field: string, list: unknown, test: (word: string) => boolean) =>
    ((list ?? []) as readonly unknown[]).map(String).filter((word) => {
      if (test(word)) return true;
      problems.dropped(entry, `${place}${field}`, `${word} is not supported`);
      return false;
    });
  const words = supported('RetryOn', RetryOn, (word) => (retryOnTokens as readonly string[]).includes(word));
  const statuses = supported('RetryOnStatusCodes', RetryOnStatusCodes, (word) => /^[1-5]\d\d$/.test(word));
  const retryOn = [...(RetryOnConnectFailure === true ? ['connect-failure'] : []), ...words, ...statuses];
  const wanted = typeof NumRetries === 'number' ? NumRetries : 0;
  if (wanted === 0 && retryOn.length === 0) return undefined;
  if (wanted > maxRetries) problems.dropped(entry, `${place}NumRetries`, `more than ${maxRetries} count as that`);
  return {
    // Envoy's number of retries where there is none.
    max: Math.min(maxRetries, wanted || 1),
    ...(retryOn.length === 0 ? undefined : { retryOn: retryOn.join(',') }),
  };
}
