/** Makes the objects that tests put into an API server. */
import type { ApiObject } from './api-objects.ts';

/** An EndpointSlice; what is not given is as the controller writes it. */
export interface SliceRequest {
  readonly service?: string;
  readonly addressType?: 'IPv4' | 'IPv6' | 'FQDN';
  readonly ports?: readonly object[] | null;
  readonly endpoints?: readonly object[] | null;
}

/** Where the objects of the tests are. */
export const slicePlace = 'endpointslices/shop';
export const configMapPlace = 'configmaps/shop';

export function makeSlice(name: string, request: SliceRequest = {}): ApiObject {
  const { service = 'reviews', addressType = 'IPv4', ports = [{ name: 'http', port: 80, protocol: 'TCP' }] } = request;
  return {
    metadata: { name, labels: { 'kubernetes.io/service-name': service } },
    addressType,
    ports,
    endpoints: request.endpoints === undefined ? [] : request.endpoints,
  };
}

/** An endpoint of a slice that is ready. */
export function readyAt(address: string): object {
  return { addresses: [address], conditions: { ready: true, serving: true, terminating: false } };
}

/** An endpoint of a slice whose pod ends. */
export function endingAt(address: string): object {
  return { addresses: [address], conditions: { ready: false, serving: true, terminating: true } };
}

export function makeConfigMap(
  name: string,
  data: Readonly<Record<string, string>>,
  labels: Readonly<Record<string, string>> = { 'inmesh.dev/config': 'true' },
): ApiObject {
  return { metadata: { name, labels }, data };
}
