/**
 * When are calls refused, and which ones first? The fields of a policy about overload. The names are those of Envoy, where
 * it has the thing.
 */
import { z } from 'zod';
import { duration, fields, flag, integer, percent, textLike } from './schema-fields.ts';

/** More than any process can send; keeps nonsense out. */
const maxCount = 1_000_000;

const kForms = 'a number above 1, at most 1000';
const rateForms = `a number from 0 to ${maxCount}`;

/** Refuses calls to a service that refuses calls. */
export const admissionControl = fields({
  k: z
    .number({ error: kForms })
    .gt(1, { error: kForms })
    .max(1000, { error: kForms })
    .optional()
    .describe('So many calls for each that is accepted are let through. Default 2.'),
  window: duration().optional().describe('How far back calls count. Default 120s.'),
  minRequestsPerSecond: z
    .number({ error: rateForms })
    .min(0, { error: rateForms })
    .max(maxCount, { error: rateForms })
    .optional()
    .describe('Nothing is refused below this many calls a second, as the mean of the window. Default 1.'),
  maxRejectionPercent: percent().optional().describe('Never more than this share of the calls is refused. Default 80.'),
  darkMode: flag().optional().describe('true: calls to be refused are counted, and let through. Default false.'),
});

/** RFC 9110, token. */
const headerName = textLike('a header name', /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/);

/** Refuses calls beyond a rate. */
export const localRateLimit = fields(
  {
    tokenBucket: fields({
      maxTokens: integer(1, maxCount).describe('The most calls at once; the bucket begins full.'),
      tokensPerFill: integer(1, maxCount).optional().describe('Calls that each fill adds. Default 1.'),
      fillInterval: duration().describe('The time between two fills.'),
    }).describe('One token a call.'),
    key: fields({ httpHeaderName: headerName.describe('A bucket for each value; at most 10,000 are kept.') })
      .optional()
      .describe('What has a bucket of its own. Default: all calls share one.'),
    darkMode: flag().optional().describe('true: calls beyond the rate are counted, and let through. Default false.'),
  },
  ['descriptors', 'statPrefix', 'filterEnabled', 'filterEnforced'],
);
