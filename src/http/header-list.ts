/**
 * In which form do headers travel through the mesh? As one flat list of lower-case names and values: undici sends it
 * without another copy, and a filter appends to it without allocation per header.
 */
import type { HeaderList } from '../core/call.ts';
import { MeshError } from '../core/errors.ts';

/** The shapes that undici's request and dispatch accept. */
export type HeaderInput =
  | Record<string, string | string[] | number | undefined>
  | readonly (string | Buffer | readonly string[])[]
  | Iterable<readonly [string, string | readonly string[] | undefined]>
  | null
  | undefined;

const none: HeaderList = Object.freeze([]);

/**
 * Flattens headers of any shape. Undefined values are left out, as undici does.
 *
 * @throws MeshError `INMESH_REQUEST` when a flat array has an odd length or a pair is none.
 */
export function toHeaderList(input: HeaderInput): HeaderList {
  if (input === null || input === undefined) return none;
  const list: string[] = [];
  if (Array.isArray(input)) {
    if (Array.isArray(input[0])) appendPairs(list, input as Iterable<readonly [string, string]>);
    else appendFlat(list, input);
  } else if (typeof (input as Iterable<unknown>)[Symbol.iterator] === 'function') {
    appendPairs(list, input as Iterable<readonly [string, string]>);
  } else {
    const record = input as Record<string, string | string[] | number | undefined>;
    for (const name of Object.keys(record)) append(list, name, record[name]);
  }
  return list;
}

function appendFlat(list: string[], flat: readonly unknown[]): void {
  if (flat.length % 2 !== 0) throw new MeshError('INMESH_REQUEST', 'a flat array of headers needs an even length');
  for (let index = 0; index < flat.length; index += 2) append(list, text(flat[index]), flat[index + 1]);
}

function appendPairs(list: string[], pairs: Iterable<readonly [string, unknown]>): void {
  for (const pair of pairs) {
    if (!Array.isArray(pair) || pair.length !== 2) {
      throw new MeshError('INMESH_REQUEST', 'an iterable of headers needs pairs of a name and a value');
    }
    append(list, String(pair[0]), pair[1]);
  }
}

function append(list: string[], name: string, value: unknown): void {
  if (value === undefined || value === null) return;
  const lower = name.toLowerCase();
  if (Array.isArray(value)) for (const one of value) list.push(lower, text(one));
  else list.push(lower, text(value));
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : Buffer.isBuffer(value) ? value.toString('latin1') : String(value);
}

/** The first value of `name` (lower case), or `undefined`. */
export function findHeader(list: HeaderList, name: string): string | undefined {
  for (let index = 0; index < list.length; index += 2) {
    if (list[index] === name) return list[index + 1];
  }
  return undefined;
}
