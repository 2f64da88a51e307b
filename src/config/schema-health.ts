/**
 * When does an endpoint get fewer calls than its share, or none? As the document says: outlier detection (Istio's
 * DestinationRule, with criteria of Envoy), health checks (Envoy's), warm-up (Istio's).
 */
import { maxWindow } from '../resilience/outlier/latency-window.ts';
import {
  duration,
  durationOrZero,
  fields,
  filledList,
  flag,
  integer,
  maxCount,
  number,
  percent,
  textLike,
} from './schema-fields.ts';

const minimumHosts = () =>
  integer(2, maxCount).optional().describe('With fewer that have volume nobody is judged. Default 5.');

const successRate = fields({
  minimumHosts: minimumHosts(),
  requestVolume: integer(1, maxCount)
    .optional()
    .describe('An endpoint with fewer attempts in the interval is not judged. Default 100.'),
  stdevFactor: number(0.1, 100)
    .optional()
    .describe('Ejects below the mean by this many standard deviations. Default 1.9.'),
});

const failurePercentage = fields({
  threshold: percent(1).optional().describe('Ejects at this share of failures in the interval. Default 85.'),
  minimumHosts: minimumHosts(),
  requestVolume: integer(1, maxCount)
    .optional()
    .describe('An endpoint with fewer attempts in the interval is not judged. Default 50.'),
});

const latency = fields({
  factor: number(1.1, 1_000).optional().describe('Slow is this many times the median of the others. Default 3.'),
  minimum: duration().optional().describe('And at least this long. Default 200ms.'),
  requestVolume: integer(4, maxWindow)
    .optional()
    .describe('The last attempts that are looked at; with fewer in the interval nobody is judged. Default 20.'),
});

/** When endpoints are ejected. */
export const outlierDetection = fields(
  {
    disabled: flag().optional().describe('true: no endpoint is ejected, and none avoided. Default false.'),
    consecutive5xxErrors: integer(0, maxCount).optional().describe('0: off. Default 5.'),
    consecutiveGatewayErrors: integer(0, maxCount).optional().describe('502, 503 or 504; 0: off. Default 0.'),
    consecutiveLocalOriginFailures: integer(0, maxCount)
      .optional()
      .describe('Failures without a head: refused, reset, timed out; 0: off. Default 5.'),
    successRate: successRate.optional().describe('Ejects who succeeds less often than the others. Off when missing.'),
    failurePercentage: failurePercentage.optional().describe('Ejects who fails nearly always. Off when missing.'),
    latency: latency
      .optional()
      .describe('Ejects who is much slower than the others; three in four of its attempts. Off when missing.'),
    failFast: flag()
      .optional()
      .describe('Avoids an endpoint that refused a connection, and tries it again after growing waits. Default true.'),
    interval: duration().optional().describe('How often rates are looked at, and ejections to be ended. Default 10s.'),
    baseEjectionTime: duration().optional().describe('The n-th ejection in a row lasts n times this. Default 30s.'),
    maxEjectionTime: duration().optional().describe('Default 300s, or baseEjectionTime where that is longer.'),
    maxEjectionPercent: percent()
      .optional()
      .describe('At most this share is ejected; one endpoint always stays. Default 50.'),
  },
  ['minHealthPercent', 'splitExternalLocalOriginErrors', 'consecutiveErrors'],
);

/** How endpoints are asked. */
export const healthCheck = fields(
  {
    http: fields({
      path: textLike('a path such as /healthz', /^\/[\x21-\x7e]*$/).describe('Asked with GET.'),
      expectedStatuses: filledList(integer(200, 599)).optional().describe('Default: 200 to 299.'),
    })
      .optional()
      .describe('A request over a connection apart from those of calls, with their TLS.'),
    tcp: fields({}).optional().describe('A connection, with its TLS handshake, and no request.'),
    interval: duration().optional().describe('From the end of a check to the next. Default 5s.'),
    timeout: duration().optional().describe('No head of a reply, or no connection, by then is a failure. Default 1s.'),
    jitter: durationOrZero().optional().describe('Up to this much is added to an interval; 0s: none. Default 500ms.'),
    healthyThreshold: integer(1, 100).optional().describe('Successes in a row until it gets calls again. Default 2.'),
    unhealthyThreshold: integer(1, 100)
      .optional()
      .describe('Failures in a row until it gets none; the first check decides alone. Default 3.'),
  },
  ['grpc'],
).refine(({ http, tcp }) => (http === undefined) !== (tcp === undefined), { error: 'one of http and tcp' });

/** How new endpoints get their share. */
export const warmup = fields({
  duration: duration().describe('Until an endpoint has its whole share.'),
  minimumPercent: percent().optional().describe('What it begins with. Default 10.'),
  aggression: number(0.1, 10).optional().describe('1: evenly; more: faster at the beginning. Default 1.'),
});
