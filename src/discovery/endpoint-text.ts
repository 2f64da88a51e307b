/**
 * How does an endpoint look where it is kept as text, as a value of etcd or in a snapshot? As JSON with the field names
 * of the mesh document; what has its default is left out.
 */
import { addressForms, type Endpoint, endpointKey, parseAddress } from '../core/endpoint.ts';
import { readEndpoint } from './read-endpoint.ts';

/** `{"address":"10.0.0.1:80","labels":{"version":"v1"},"locality":"eu/eu-1/a","weight":3,"state":"draining"}` */
export function endpointText(endpoint: Endpoint): string {
  const { labels, locality, weight, state } = endpoint;
  return JSON.stringify({
    address: endpointKey(endpoint),
    ...(Object.keys(labels).length === 0 ? undefined : { labels }),
    ...(locality === '' ? undefined : { locality }),
    ...(weight === 1 ? undefined : { weight }),
    ...(state === 'serving' ? undefined : { state }),
  });
}

/** The endpoint that `text` describes; a text that says what is wrong with it otherwise. */
export function endpointOfText(text: string): Endpoint | string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return `is no JSON: ${(error as Error).message}`;
  }
  if (typeof value !== 'object' || value === null) return 'is no JSON object';
  const { address, ...rest } = value as { address?: unknown } & Partial<Endpoint>;
  const parts = typeof address === 'string' ? parseAddress(address) : undefined;
  if (parts === undefined) return `address is ${JSON.stringify(address)}; allowed: ${addressForms}`;
  const { labels, locality, weight, state } = rest;
  const given = {
    ...parts,
    ...(labels === undefined ? undefined : { labels }),
    ...(locality === undefined ? undefined : { locality }),
    ...(weight === undefined ? undefined : { weight }),
    ...(state === undefined ? undefined : { state }),
  };
  return readEndpoint(given);
}
