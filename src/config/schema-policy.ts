/**
 * How may a service be used? The traffic policy: Istio's DestinationRule.trafficPolicy, with the limits in time of a
 * VirtualService as defaults of the service.
 */
import { maxRetries, retryOnTokens } from '../core/call-options.ts';
import { criticalities } from '../core/criticality.ts';
import { adaptiveAlgorithms } from '../resilience/limit/adaptive-limit.ts';
import { consistentHashSchema, sessionAffinitySchema } from './schema-consistent-hash.ts';
import {
  duration,
  durationOrNone,
  fields,
  flag,
  integer,
  maxCount,
  oneOf,
  peerNames,
  percent,
  text,
  textThat,
} from './schema-fields.ts';
import { healthCheck, outlierDetection, warmup } from './schema-health.ts';
import { balancerFields, prequalSchema, weightedRoundRobinSchema } from './schema-load-balancer.ts';
import { localityLbSetting } from './schema-locality.ts';
import { admissionControl, localRateLimit } from './schema-overload.ts';

/** To one endpoint, of each process; more is an attack. */
const maxSpareConnections = 100;

const retryOnForms = `comma-separated: ${retryOnTokens.join(', ')}, or a status such as 503`;

/** The parts of a `retryOn`. */
export function retryOnParts(value: string): string[] {
  return value.split(',').map((token) => token.trim());
}

const retryOn = textThat(retryOnForms, (value) =>
  retryOnParts(value).every(
    (token) => (retryOnTokens as readonly string[]).includes(token) || /^[1-5]\d\d$/.test(token),
  ),
);

const retries = fields(
  {
    max: integer(0, maxRetries).optional().describe('Retries, not tries. Default 2.'),
    attempts: integer(0, maxRetries).optional().describe("Istio's name of max."),
    perTryTimeout: duration().optional().describe('One attempt until its head. Default: none.'),
    retryOn: retryOn
      .optional()
      .describe('When to retry. Default: connect-failure,refused-stream,reset,500,502,503,504.'),
    backoff: fields({
      baseInterval: duration().optional().describe('The scale of the first wait. Default 25ms.'),
      maxInterval: duration().optional().describe('No wait is longer. Default: ten times baseInterval.'),
    })
      .optional()
      .describe('The waits between attempts.'),
  },
  ['retryIgnorePreviousHosts', 'retryRemoteLocalities', 'codes'],
);

const circuitBreaker = fields({
  consecutiveErrors: integer(0, maxCount)
    .optional()
    .describe('Opens after this many failures in a row; 0: never. Default 0.'),
  errorPercent: percent().optional().describe('Opens at this share of failures in the window; 0: never. Default 50.'),
  minRequests: integer(1, maxCount).optional().describe('The share counts from this many calls on. Default 20.'),
  window: duration().optional().describe('Default 10s.'),
  openTime: duration().optional().describe('How long it stays open before one probe. Default 5s.'),
  darkMode: flag().optional().describe('true: calls to be refused are counted, and let through. Default false.'),
  forced: oneOf('OPEN', 'CLOSED')
    .optional()
    .describe('OPEN refuses every call, CLOSED none, whatever the figures are.'),
});

/** The limits in time and the retries that a service or a route sets for its calls. */
export const callPolicyShape = {
  timeout: durationOrNone().optional().describe('The whole call, retries and body included. Default: none.'),
  headTimeout: durationOrNone().optional().describe('Until the head of the reply, retries included. Default 15s.'),
  bodyIdleTimeout: durationOrNone().optional().describe('The longest silence inside a reply body. Default 30s.'),
  retries: retries.optional().describe('How failed calls are retried.'),
  coalesce: flag().optional().describe('true: equal GETs that are under way at once share one. Default false.'),
  cache: flag()
    .optional()
    .describe('true: answers are kept, and used, as RFC 9111 allows a shared cache. Default false.'),
  circuitBreaker: circuitBreaker.optional().describe('Refuses calls at once while most fail. Off when missing.'),
  localRateLimit: localRateLimit.optional().describe('Refuses calls beyond a rate. Off when missing.'),
  criticality: oneOf(...criticalities)
    .optional()
    .describe('The lowest is refused first. Default: that of the inbound request, else critical.'),
};

const loadBalancer = fields(
  {
    simple: oneOf('PEAK_EWMA', 'LEAST_REQUEST', 'ROUND_ROBIN', 'RANDOM').optional().describe('Default PEAK_EWMA.'),
    consistentHash: consistentHashSchema
      .optional()
      .describe('Calls of one key go to one endpoint. In place of simple.'),
    weightedRoundRobin: weightedRoundRobinSchema
      .optional()
      .describe('Endpoints take turns by the load that they report (ORCA, endpoint-load-metrics). In place of simple.'),
    prequal: prequalSchema
      .optional()
      .describe('The best of a few endpoints that were probed lately. In place of simple.'),
    panicThreshold: percent()
      .optional()
      .describe('Below this share of healthy endpoints, in percent, all get calls again. Default 50.'),
    subsetSize: integer(1, maxCount)
      .optional()
      .describe(
        "How many endpoints this process uses, of each locality where these are looked at; the others are not connected to, but for health checks. With createMesh's instance all endpoints get the same (at least 12 are used), without it a random subset is used. Default: all.",
      ),
    sessionAffinity: sessionAffinitySchema
      .optional()
      .describe('Keeps a client at one endpoint by a cookie, with any load balancer. Off when missing.'),
    localityLbSetting: localityLbSetting
      .optional()
      .describe("Prefers near endpoints; takes createMesh's locality. Off when missing."),
    warmup: warmup
      .optional()
      .describe('Gives endpoints that are new, or are back, their share little by little. Off when missing.'),
  },
  ['warmupDurationSecs'],
)
  .refine((given) => balancerFields.filter((field) => given[field] !== undefined).length < 2, {
    error: `one of ${balancerFields.join(', ')}`,
  })
  .refine(({ consistentHash, subsetSize }) => consistentHash === undefined || subsetSize === undefined, {
    error: 'one of consistentHash and subsetSize',
  })
  // A step of the warm-up would move keys, and move them again with the next.
  .refine(({ warmup, consistentHash }) => warmup === undefined || consistentHash === undefined, {
    error: 'one of warmup and consistentHash',
  });

const connectionPool = fields({
  tcp: fields(
    {
      maxConnections: integer(1, maxCount).optional().describe('To one endpoint. Default 128.'),
      connectTimeout: duration().optional().describe('Default 10s.'),
      idleTimeout: duration().optional().describe('An idle connection is closed after this. Default 4s.'),
      minIdleConnections: integer(0, maxSpareConnections)
        .optional()
        .describe(
          'Connections to each endpoint that are made ahead, so that a burst need not wait. HTTP/1.1 only. Default 0.',
        ),
    },
    ['maxConnectionDuration', 'tcpKeepalive'],
  ).optional(),
  http: fields(
    {
      http1MaxPendingRequests: integer(0, maxCount)
        .optional()
        .describe('Attempts of the service that wait for a connection or stream. Default 1024.'),
      pendingTimeout: duration()
        .optional()
        .describe('How long one of them waits at most. Default: as long as its call has time.'),
      http2MaxRequests: integer(1, maxCount)
        .optional()
        .describe('Attempts in flight at the whole service, with HTTP/1.1 too. Default 1024.'),
      maxRequestsPerConnection: integer(0, maxCount).optional().describe('0 for no limit. Default 0.'),
      h2UpgradePolicy: oneOf('DO_NOT_UPGRADE', 'UPGRADE')
        .optional()
        .describe('UPGRADE: HTTP/2, by ALPN over TLS, with prior knowledge without. Default DO_NOT_UPGRADE.'),
    },
    ['maxRetries', 'idleTimeout', 'useClientProtocol', 'maxConcurrentStreams'],
  ).optional(),
});

const retryBudget = fields({
  percent: percent().optional().describe("Retries in any second, as a share of that second's calls. Default 20."),
  minRetriesPerSecond: integer(0, maxCount).optional().describe('Always allowed in any second. Default 10.'),
  minRetryConcurrency: integer(0, maxCount).optional().describe("Istio's; read, reported and not used."),
});

const hedge = fields({
  maxExtraLoad: percent(0.1, 50)
    .optional()
    .describe(
      'The most that hedges add to the calls of a second, in percent; what is slower than all but this share is hedged. Default 1.',
    ),
});

const adaptiveConcurrency = fields({
  algorithm: oneOf(...adaptiveAlgorithms)
    .optional()
    .describe('VEGAS: against the latency without load. GRADIENT2: against that of the last minutes. Default VEGAS.'),
  initialLimit: integer(1, maxCount).optional().describe('Calls at once at the start. Default 20.'),
  minLimit: integer(1, maxCount).optional().describe('Never fewer. Default 4.'),
  maxLimit: integer(1, maxCount).optional().describe('Never more. Default 1000.'),
  darkMode: flag().optional().describe('true: calls beyond the limit are counted, and let through. Default false.'),
});

const pemFile = 'the path of a PEM file';

const tls = fields(
  {
    mode: oneOf('DISABLE', 'SIMPLE', 'MUTUAL').describe('SIMPLE: the server proves who it is. MUTUAL: both do.'),
    clientCertificate: text(pemFile).optional().describe('Our certificate with its intermediates; for MUTUAL.'),
    privateKey: text(pemFile).optional().describe('Our private key; for MUTUAL.'),
    caCertificates: text(pemFile).optional().describe('The authorities to trust. Default: those of Node.'),
    sni: text('a server name').optional().describe('The server name that is sent. Default: the host of the service.'),
    subjectAltNames: peerNames()
      .optional()
      .describe('One of these must be in the certificate of the server. Default: those of the service.'),
  },
  ['credentialName', 'insecureSkipVerify', 'caCrl'],
);

/** The traffic policy of a service. */
export const trafficPolicySchema = fields(
  {
    loadBalancer: loadBalancer.optional(),
    connectionPool: connectionPool.optional(),
    outlierDetection: outlierDetection.optional().describe('On by default.'),
    healthCheck: healthCheck.optional().describe('Asks every endpoint whether it is well. Off when missing.'),
    retryBudget: retryBudget.optional().describe('On by default.'),
    hedge: hedge
      .optional()
      .describe('Asks a second endpoint when the first takes long; idempotent calls only. Off when missing.'),
    adaptiveConcurrency: adaptiveConcurrency
      .optional()
      .describe('Refuses calls that the service has no room for, as its latency tells. Off when missing.'),
    admissionControl: admissionControl
      .optional()
      .describe('Refuses calls to a service that refuses calls. Off when missing.'),
    tls: tls.optional().describe('Off by default.'),
    ...callPolicyShape,
  },
  ['portLevelSettings', 'tunnel', 'proxyProtocol', 'warmup'],
);
