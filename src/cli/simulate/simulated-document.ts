/**
 * What of a document is simulated? All of it but its certificates, as nothing is connected to, and the endpoints that only
 * a registry knows: a service without endpoints gets some.
 */
import type { MeshDocument } from '../../config/schema.ts';

type Service = NonNullable<MeshDocument['services']>[number];
type Endpoint = NonNullable<Service['endpoints']>[number];

/** The documents as one. Their services and routes add up. */
export function joinDocuments(documents: readonly MeshDocument[]): MeshDocument {
  const outbound = documents.find(({ outboundTrafficPolicy }) => outboundTrafficPolicy !== undefined);
  return {
    ...outbound,
    services: documents.flatMap(({ services }) => services ?? []),
    routes: documents.flatMap(({ routes }) => routes ?? []),
  };
}

/** The document with endpoints that can be simulated: `endpointCount` where a service has none of its own. */
export function simulatedDocument(document: MeshDocument, endpointCount: number): MeshDocument {
  const services = (document.services ?? []).map((service, index): Service => {
    const { tls: _certificates, ...trafficPolicy } = service.trafficPolicy ?? {};
    const { resolution: _names, ...rest } = service;
    const known = service.resolution !== 'DNS' && (service.endpoints?.length ?? 0) > 0;
    const endpoints = known ? service.endpoints : madeUp(service, index, endpointCount);
    return { ...rest, trafficPolicy, ...(endpoints === undefined ? undefined : { endpoints }) };
  });
  return { ...document, services };
}

/** Endpoints with the labels of each subset in turn, so that every subset has some. */
function madeUp({ subsets = [] }: Service, service: number, count: number): Endpoint[] {
  return Array.from({ length: Math.max(count, subsets.length) }, (_, index) => {
    const labels = subsets[index % Math.max(1, subsets.length)]?.labels;
    const number = index + 1;
    const address = `${10 + (service >> 8)}.${service & 255}.${number >> 8}.${number & 255}:80`;
    return labels === undefined ? { address } : { address, labels };
  });
}
