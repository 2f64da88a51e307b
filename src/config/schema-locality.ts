/**
 * Where do the calls of a service go, by region and zone? Istio's localityLbSetting, and Envoy's zone aware routing.
 */
import { z } from 'zod';
import { fields, filledList, flag, integer, textLike } from './schema-fields.ts';

/** The form of a locality: one to three parts. */
export const localityForm = { allowed: 'region/zone/subzone', pattern: /^[^/]+(\/[^/]+){0,2}$/ } as const;

const place = () => textLike(`${localityForm.allowed}, the end may be * or left out`, localityForm.pattern);

const region = () => textLike('the name of a region, without a zone', /^[^/*]+$/);

const shareError = 'an object of shares in percent by locality';

/** Overprovisioning below 100 would spill over calls that could stay. */
const [leastFactor, greatestFactor] = [100, 1_000];

export const localityLbSetting = fields(
  {
    enabled: flag().optional().describe('false: localities are not looked at. Default true.'),
    distribute: filledList(
      fields({
        from: place().describe('Where the caller is.'),
        to: z
          .record(place(), integer(0, 100), { error: shareError })
          .describe('Shares of the calls in percent, by locality of the endpoint; together 100.'),
      }),
    )
      .optional()
      .describe('Shares by locality. The first entry that fits the caller holds.'),
    failover: filledList(fields({ from: region(), to: region() }))
      .optional()
      .describe('The region that takes over when a region fails. Default: all others.'),
    zoneAware: fields({
      minEndpoints: integer(1, 1_000_000).optional().describe('With fewer, zones are not looked at. Default 6.'),
    })
      .optional()
      .describe('Calls stay in their zone as far as every endpoint still gets the same.'),
    overprovisioningFactor: integer(leastFactor, greatestFactor)
      .optional()
      .describe(
        'Near endpoints bear this share of their calls, in percent; 140: calls spill over below 72% healthy. Default 140.',
      ),
  },
  ['failoverPriority'],
);
