/**
 * What may stand in a mesh document? This: Istio's field names, flattened. A field that nothing honours yet is an
 * error, as is one that nobody knows: a document never promises what the mesh does not do.
 */
import { z } from 'zod';
import { addressForms, parseAddress } from '../core/endpoint.ts';
import {
  fields,
  filledList,
  host,
  integer,
  labels,
  list,
  oneOf,
  peerNames,
  text,
  textLike,
  textMatch,
  textThat,
} from './schema-fields.ts';
import { localityForm } from './schema-locality.ts';
import { callPolicyShape, trafficPolicySchema } from './schema-policy.ts';

const address = textThat(addressForms, (value) => parseAddress(value) !== undefined);

const endpoint = fields(
  {
    address: address.describe(`${addressForms}.`),
    labels: labels().optional().describe('Subsets select by them.'),
    locality: textLike(localityForm.allowed, localityForm.pattern).optional().describe('region/zone/subzone.'),
    weight: integer(0, 1_000_000)
      .optional()
      .describe('Relative share of the traffic; 0 gets none while another endpoint has some. Default 1.'),
  },
  ['ports', 'network', 'serviceAccount'],
);

const subset = fields(
  {
    name: text('a name').describe('For destinations of routes.'),
    labels: labels().describe('An endpoint with all of these belongs to the subset.'),
  },
  ['trafficPolicy'],
);

const service = fields(
  {
    host: host().describe('The name that callers use, without a port.'),
    port: integer(1, 65_535)
      .optional()
      .describe('The port that a URL may name. Default: only the default port of its scheme.'),
    endpoints: list(endpoint).optional().describe('Where the service runs. Endpoints of a registry win over these.'),
    resolution: oneOf('STATIC', 'DNS')
      .optional()
      .describe('DNS: the addresses are names, and each of their A or AAAA records is an endpoint. Default STATIC.'),
    subjectAltNames: peerNames()
      .optional()
      .describe('One of these must be in the certificate of an endpoint, with TLS.'),
    subsets: list(subset).optional().describe('Named parts of the endpoints.'),
    trafficPolicy: trafficPolicySchema.optional().describe('How the service may be used.'),
  },
  ['addresses', 'ports', 'location', 'workloadSelector', 'exportTo'],
);

const pathPart = textLike('a path from its /, without a query', /^\/[^?#]*$/);
const methodPart = textLike('a method in upper case, such as GET', /^[A-Z][A-Z0-9-]*$/);

/** RFC 9110, token. */
const headerNamePattern = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

const match = fields(
  {
    uri: textMatch(pathPart).optional().describe('On the path without its query.'),
    method: textMatch(methodPart).optional(),
    headers: z
      .record(textLike('a header name', headerNamePattern), textMatch(text('a text')), {
        error: (issue) => (issue.code === 'invalid_key' ? 'a header name' : 'an object of header names'),
      })
      .optional()
      .describe('By header name, in any case; all have to match.'),
  },
  [
    'queryParams',
    'scheme',
    'authority',
    'withoutHeaders',
    'ignoreUriCase',
    'port',
    'sourceLabels',
    'sourceNamespace',
    'gateways',
    'name',
  ],
);

const destination = fields(
  {
    host: host().describe('A service.'),
    subset: text('the name of a subset').optional().describe('One of its subsets. Default: all endpoints.'),
  },
  ['port'],
);

const httpRule = fields(
  {
    name: text('a name').optional().describe('For people; unique is best. Default: its position, http[0].'),
    match: list(match).optional().describe('One of these has to apply. Default: applies to every request.'),
    route: filledList(
      fields(
        {
          destination,
          weight: integer(0, 1_000_000).optional().describe('Relative share; needed when there are several.'),
        },
        ['headers'],
      ),
    ).describe('Where requests go.'),
    ...callPolicyShape,
  },
  [
    'redirect',
    'directResponse',
    'delegate',
    'rewrite',
    'fault',
    'mirror',
    'mirrors',
    'mirrorPercentage',
    'headers',
    'corsPolicy',
  ],
);

const route = fields(
  {
    hosts: filledList(host()).describe('The hosts that callers name.'),
    http: filledList(httpRule).describe('The first rule that matches wins.'),
  },
  ['gateways', 'exportTo', 'tls', 'tcp'],
);

/** The mesh document. */
export const meshSchema = fields(
  {
    $schema: text('an address').optional().describe('For editors.'),
    outboundTrafficPolicy: fields({
      mode: oneOf('REGISTRY_ONLY', 'ALLOW_ANY').describe('Whether hosts outside the registry may be called.'),
    })
      .optional()
      .describe('Default: REGISTRY_ONLY.'),
    services: list(service).optional().describe('Named destinations.'),
    routes: list(route).optional().describe('How requests find their service.'),
  },
  ['policies', 'peerAuthentication', 'authorization', 'telemetry', 'workloads'],
);

/** A mesh document, as written. */
export type MeshDocument = z.input<typeof meshSchema>;
