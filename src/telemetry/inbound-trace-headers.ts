/**
 * Which headers of an inbound request go out again with the calls it causes? Those that tie a trace together, verbatim,
 * when no SDK makes new ones, so that a mesh without an SDK does not cut the traces of its neighbours. They come from
 * outside: each is checked against the grammar of its standard and its bound, and dropped when it fails.
 */
import type { HeaderList } from '../core/call.ts';

/** The values of a request, as of `IncomingMessage.headers`. */
export type InboundHeaders = Readonly<Record<string, string | string[] | undefined>>;

/** W3C Trace Context, 3.2: versions but ff, with what later versions may append; zero identifiers are invalid. */
const traceparent = /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-[\x21-\x7e]{0,128})?$/;

/** Printable ASCII with inner blanks; what a header may carry and no parser trips over. */
const printable = /^[\x21-\x7e]([\x20-\x7e\t]*[\x21-\x7e])?$/;

const token = /^[\x21-\x7e]{1,256}$/;

/** openzipkin/b3-propagation. */
const b3Single = /^([01d]|([0-9a-f]{16}){1,2}-[0-9a-f]{16}(-[01d](-[0-9a-f]{16})?)?)$/i;
const b3Fields: readonly (readonly [string, RegExp])[] = [
  ['b3', b3Single],
  ['x-b3-traceid', /^([0-9a-f]{16}){1,2}$/i],
  ['x-b3-spanid', /^[0-9a-f]{16}$/i],
  ['x-b3-parentspanid', /^[0-9a-f]{16}$/i],
  ['x-b3-sampled', /^([01]|true|false)$/i],
  ['x-b3-flags', /^[01]$/],
];

/** W3C Trace Context, 3.3.1.5: at least this much is to be kept. */
const maxTracestateBytes = 512;
/** W3C Baggage, 3.3.2. */
const maxBaggageBytes = 8192;
const maxBaggageMembers = 64;

/**
 * The trace headers of a request, ready to be sent on; `undefined` when it has none.
 *
 * @param headers of the request, names in lower case.
 * @param trusted whether the peer is a verified one of the mesh: baggage is taken from such peers only, because
 * services read it as their own words.
 */
export function inboundTraceHeaders(headers: InboundHeaders, trusted: boolean): HeaderList | undefined {
  const list: string[] = [];
  const take = (name: string, isValid: (value: string) => boolean): boolean => {
    const value = headers[name];
    if (typeof value !== 'string' || !isValid(value)) return false;
    list.push(name, value);
    return true;
  };
  const hasParent = take(
    'traceparent',
    (value) => traceparent.test(value) && !(value.startsWith('00') && value.length > 55),
  );
  if (hasParent) take('tracestate', (value) => value.length <= maxTracestateBytes && printable.test(value));
  if (trusted) take('baggage', isBaggage);
  take('x-request-id', (value) => token.test(value));
  for (const [name, grammar] of b3Fields) take(name, (value) => grammar.test(value));
  return list.length === 0 ? undefined : list;
}

function isBaggage(value: string): boolean {
  return value.length <= maxBaggageBytes && printable.test(value) && value.split(',').length <= maxBaggageMembers;
}
