/**
 * How is a service balanced by what is known of its servers? The load balancers that have options of their own, besides
 * consistent hash.
 */
import { maxPoolSize } from '../balancing/prequal-options.ts';
import { duration, durationOrNone, fields, integer, number } from './schema-fields.ts';

/** gRPC's `client_side_weighted_round_robin` (A58). */
export const weightedRoundRobinSchema = fields(
  {
    blackoutPeriod: durationOrNone()
      .optional()
      .describe(
        'How long reports of an endpoint are gathered before they count; false: they count at once. Default 10s.',
      ),
    weightExpirationPeriod: duration()
      .optional()
      .describe('A weight counts no more once this long no report has come. Default 3m.'),
    weightUpdatePeriod: duration().optional().describe('How often the weights are looked at. Default 1s.'),
    errorUtilizationPenalty: number(0, 100)
      .optional()
      .describe('How much a share of failures of 1 adds to the utilization. Default 1.'),
  },
  ['enableOobLoadReport', 'oobReportingPeriod'],
);

/** Prequal (NSDI 2024). */
export const prequalSchema = fields({
  poolSize: integer(2, maxPoolSize).optional().describe('Probes that are kept. Default 16.'),
  probeAge: duration().optional().describe('An older probe counts no more. Default 1s.'),
  hotQuantile: number(0, 1)
    .optional()
    .describe(
      'An endpoint is hot when more is in flight there than at this share of the probed ones. The lower, the more what is in flight decides; with 1 latency does. Default 0.84.',
    ),
});

/** What is set in the place of `simple`. */
export const balancerFields = ['simple', 'consistentHash', 'weightedRoundRobin', 'prequal'] as const;
