import { Call, type HeaderList } from '../../src/core/call.ts';
import { callDefaults } from '../../src/core/call-options.ts';

/** A call of `GET /item` with these parts. */
export function fakeCall(parts: { headers?: HeaderList; path?: string; hashKey?: string } = {}): Call {
  const { headers = [], path = '/item', hashKey } = parts;
  const options = { ...callDefaults, hashKey };
  return new Call('reviews', options, Number.POSITIVE_INFINITY, 0, 'GET', 'reviews', path, headers, null, true);
}
