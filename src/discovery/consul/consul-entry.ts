/**
 * What is a configuration entry of Consul, and what of it is not understood here? Whatever is set in an entry and has no
 * counterpart is named, so that nothing is dropped in silence; where it would change which endpoint a request reaches,
 * or what it asks for there, the entry is left out as a whole.
 */

import { parseAddress } from '../../core/endpoint.ts';

/** An entry as `/v1/config/:kind` gives it, or an object inside of one. */
export type Fields = Readonly<Record<string, unknown>>;

/** The kinds that are read. */
export const entryKinds = ['service-defaults', 'service-resolver', 'service-splitter', 'service-router'] as const;

/** One of them. */
export type EntryKind = (typeof entryKinds)[number];

/** All entries, by kind. */
export type ConfigEntries = Readonly<Record<EntryKind, readonly Fields[]>>;

/** Of every entry, and without a meaning here. */
const ownFields = ['Kind', 'Name', 'Namespace', 'Partition', 'Meta', 'Hash', 'CreateIndex', 'ModifyIndex'];

/** Says that an entry cannot be had. */
export class EntryProblem extends Error {}

/** Collects what operators have to know of entries. */
export class EntryProblems {
  private readonly found = new Set<string>();

  /** Each names the entry, the field and what is wrong. */
  get texts(): readonly string[] {
    return [...this.found];
  }

  /** Something of `entry` is not honoured. */
  dropped(entry: Fields, field: string, why: string): void {
    this.found.add(`${entry.Kind} ${entry.Name}: ${field}: ${why}`);
  }

  /** The result of `read`; undefined, and reported, for an entry that cannot be had. */
  attempt<T>(entry: Fields, read: () => T): T | undefined {
    try {
      return read();
    } catch (error) {
      // Other errors are those of reading what has another form than Consul's.
      const why = error instanceof EntryProblem ? error.message : `is malformed (${(error as Error).message})`;
      this.found.add(`${entry.Kind} ${entry.Name}: ${why}; the entry is left out`);
      return undefined;
    }
  }
}

/** The names of fields that say something and are not among `known`. */
export function otherFields(fields: Fields, known: readonly string[]): string[] {
  return Object.keys(fields).filter((name) => !known.includes(name) && !isEmpty(fields[name]));
}

/** As {@link otherFields}, of an entry. */
export function otherEntryFields(entry: Fields, known: readonly string[]): string[] {
  return otherFields(entry, [...ownFields, ...known]);
}

/** @throws EntryProblem for the first field of `fields`, which is at `place`, that is not among `known`. */
export function requireOnly(fields: Fields, known: readonly string[], place: string): void {
  const [first] = otherFields(fields, known);
  if (first !== undefined) throw new EntryProblem(`${place}${first}: not supported`);
}

/** @throws EntryProblem for a reference out of the namespace, partition or data centre of `entry`. */
export function requireLocal(reference: Fields, entry: Fields, place: string): void {
  for (const name of ['Namespace', 'Partition']) {
    const [there, here] = [reference[name] || 'default', entry[name] || 'default'];
    if (there !== here) throw new EntryProblem(`${place}${name}: only ${here} is supported`);
  }
}

/** The objects of a list; none where it is missing. */
export function objects(list: unknown): readonly Fields[] {
  return (list ?? []) as readonly Fields[];
}

/** A text that says something. */
export function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

const unitMs = { h: 3_600_000, m: 60_000, s: 1_000, ms: 1, us: 0.001, µs: 0.001, ns: 0.000001 } as const;

/** More than a timer can hold. */
const maxMs = 24 * 24 * unitMs.h;

/**
 * A duration of Go (`1m30s`, `1.5s`) as one of a document (`90000ms`).
 *
 * @returns undefined for a missing one and for 0.
 * @throws EntryProblem for what is none, and for one that is negative or too long.
 */
export function durationText(value: unknown, place: string): string | undefined {
  if (value === undefined || value === null || value === '') return undefined;
  const form = /^(?:\d+(?:\.\d+)?(?:h|ms|m|s|us|µs|ns))+$|^0$/;
  if (typeof value !== 'string' || !form.test(value)) throw new EntryProblem(`${place}: no duration above 0`);
  let ms = 0;
  for (const [, count, unit] of value.matchAll(/(\d+(?:\.\d+)?)(h|ms|m|s|us|µs|ns)/g)) {
    ms += Number(count) * unitMs[unit as keyof typeof unitMs];
  }
  if (ms > maxMs) throw new EntryProblem(`${place}: longer than 576h`);
  return ms === 0 ? undefined : `${Math.max(1, Math.round(ms))}ms`;
}

function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null || value === '' || value === 0 || value === false) return true;
  if (value === '0s') return true;
  return typeof value === 'object' && Object.values(value).every(isEmpty);
}

/** Whether a service of this name can be a host of a document. */
export function isHost(name: string): boolean {
  return parseAddress(`${name}:80`)?.host === name;
}
