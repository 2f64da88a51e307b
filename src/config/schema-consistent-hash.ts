/**
 * How are calls of one key sent to one endpoint? Istio's `consistentHash`, with Envoy's bound on the load.
 */
import { z } from 'zod';
import { maxRingSize, maxTableSize } from '../balancing/hash-options.ts';
import { duration, fields, integer, textLike } from './schema-fields.ts';

/** A token of RFC 9110, 5.6.2. */
const token = /^[\w!#$%&'*+.^`|~-]+$/;

const primeBelow = `a prime from 2 to ${maxTableSize}`;

const sources = ['httpHeaderName', 'httpCookie', 'httpQueryParameterName', 'path'] as const;

function isPrime(value: number): boolean {
  for (let factor = 2; factor * factor <= value; factor++) if (value % factor === 0) return false;
  return value > 1;
}

/** Which endpoint a client came to, in a cookie. */
export const sessionAffinitySchema = fields({
  cookie: fields({
    name: textLike('the name of a cookie', token).describe('The mesh sets it on replies; the program hands it on.'),
    path: textLike('a path from its /, of ASCII characters without ; and spaces', /^\/[\x21-\x3a\x3c-\x7e]*$/)
      .optional()
      .describe('Default /.'),
    ttl: duration().optional().describe('How long a client keeps it. Default: until it closes.'),
  }),
});

const tableSize = integer(2, maxTableSize).refine(isPrime, { error: primeBelow });

/** What a key is, and how keys are spread. */
export const consistentHashSchema = fields(
  {
    httpHeaderName: textLike('the name of a header', token).optional().describe('The first value of this header.'),
    httpCookie: fields({ name: textLike('the name of a cookie', token).describe('As in the Cookie header.') }, [
      'path',
      'ttl',
    ])
      .optional()
      .describe('A cookie of the request.'),
    httpQueryParameterName: textLike('the name of a parameter, as it is written in a URL', /^[^&=#?]+$/)
      .optional()
      .describe('The first value of this parameter, as it is written in the URL.'),
    path: z.literal(true, { error: 'true' }).optional().describe('The path without its query.'),
    ringHash: fields({
      minimumRingSize: integer(1, maxRingSize).optional().describe('Points of the ring, at least. Default 1024.'),
    })
      .optional()
      .describe('No key moves between endpoints that stay. The default.'),
    maglev: fields({
      tableSize: tableSize.optional().describe('Entries of the table, a prime. Default 65537.'),
    })
      .optional()
      .describe('Equal shares; a few keys move between endpoints that stay.'),
    hashBalanceFactor: integer(100, 10_000)
      .optional()
      .describe(
        'An endpoint has at most this share of its part of the calls in flight, in percent; the rest goes on to the next. Default: no bound.',
      ),
  },
  ['useSourceIp', 'minimumRingSize'],
)
  .refine((hash) => sources.filter((source) => hash[source] !== undefined).length === 1, {
    error: `one of ${sources.join(', ')}`,
  })
  .refine(({ ringHash, maglev }) => ringHash === undefined || maglev === undefined, {
    error: 'one of ringHash and maglev',
  });
