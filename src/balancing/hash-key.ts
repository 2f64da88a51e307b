/**
 * What do calls that belong together have in common? A key: what the call says itself (`hashKey`), or what the
 * configuration takes from the request. An empty key is none: else all who forgot theirs would meet at one member.
 */
import type { Call } from '../core/call.ts';
import { findHeader } from '../http/header-list.ts';
import type { HashSource } from './hash-options.ts';

/** The key of a call; `undefined` or empty for one without. */
export type HashKey = (call: Call) => string | undefined;

/** Reads keys as `source` says, unless the call names its own. */
export function hashKeyOf(source: HashSource | undefined): HashKey {
  const read = readerOf(source);
  return (call) => call.options.hashKey ?? read(call);
}

function readerOf(source: HashSource | undefined): HashKey {
  if (source === undefined) return () => undefined;
  if (source === 'path') return ({ path }) => path.slice(0, queryStart(path));
  if ('header' in source) return ({ headers }) => findHeader(headers, source.header);
  if ('cookie' in source) return (call) => cookieOf(call, source.cookie);
  return ({ path }) => parameter(path, queryStart(path) + 1, '&', source.queryParameter);
}

function queryStart(path: string): number {
  const start = path.indexOf('?');
  return start < 0 ? path.length : start;
}

/** A cookie of the request; `undefined` without one. HTTP/2 may spread cookies over several headers. */
export function cookieOf({ headers }: Call, name: string): string | undefined {
  for (let index = 0; index < headers.length; index += 2) {
    if (headers[index] !== 'cookie') continue;
    const value = parameter(headers[index + 1] as string, 0, ';', name);
    if (value !== undefined) return value;
  }
  return undefined;
}

/** The value of `name` among the `name=value` of `text` that stand between separators, from `start` on. */
function parameter(text: string, start: number, separator: string, name: string): string | undefined {
  for (let place = start; place < text.length; ) {
    while (text.charCodeAt(place) === 0x20) place++;
    const end = text.indexOf(separator, place);
    const stop = end < 0 ? text.length : end;
    if (text.startsWith(name, place) && text[place + name.length] === '=') {
      return text.slice(place + name.length + 1, stop);
    }
    place = stop + 1;
  }
  return undefined;
}
