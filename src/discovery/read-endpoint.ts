/**
 * What if a registry of the program's own names something that is no endpoint? Then that is its verdict, and the last
 * good endpoints stay. What is missing gets its default; what is there must be of its type, because members are
 * weighed, selected and shown by it.
 */
import { addressForms, type Endpoint, endpointKey, makeEndpoint, parseAddress } from '../core/endpoint.ts';

/** As in documents: sums of such weights are exact. */
const maxWeight = 1_000_000;

/** The endpoint, complete and frozen; a text that says what is wrong with it otherwise. */
export function readEndpoint(one: unknown): Endpoint | string {
  if (typeof one !== 'object' || one === null) return 'is no object';
  const {
    host,
    port,
    socketPath,
    labels = {},
    locality = '',
    weight = 1,
    state = 'serving',
  } = one as Partial<Endpoint>;
  if (socketPath !== undefined && typeof socketPath !== 'string') return 'socketPath is no text';
  if (typeof host !== 'string') return 'host is no text';
  if (typeof port !== 'number') return 'port is no number';
  const key = endpointKey(one as Endpoint);
  if (parseAddress(key) === undefined) return `${key} is no address; allowed: ${addressForms}`;
  if (!isLabels(labels)) return `${key}: labels are no object of texts`;
  if (typeof locality !== 'string') return `${key}: locality is no text`;
  if (!Number.isInteger(weight) || weight < 0 || weight > maxWeight) {
    return `${key}: weight is ${String(weight)}; allowed: integers from 0 to ${maxWeight}`;
  }
  if (state !== 'serving' && state !== 'draining') {
    return `${key}: state is ${String(state)}; allowed: serving, draining`;
  }
  return makeEndpoint(one as Endpoint);
}

function isLabels(labels: unknown): boolean {
  return (
    typeof labels === 'object' && labels !== null && Object.values(labels).every((value) => typeof value === 'string')
  );
}
