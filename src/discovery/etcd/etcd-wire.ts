/**
 * How does etcd put its messages into JSON? As protobuf does: bytes in base64, 64-bit numbers as texts, and what is
 * zero or empty not at all. Only what the driver reads is named here.
 */

/** Stands in each reply. */
export interface EtcdHeader {
  readonly cluster_id?: string;
  readonly revision?: string;
  readonly raft_term?: string;
}

/** A key as etcd writes it. */
export interface EtcdKeyValue {
  readonly key: string;
  readonly value?: string;
  readonly mod_revision?: string;
}

/** A change as etcd writes it. */
export interface EtcdEvent {
  readonly type?: 'DELETE';
  readonly kv: EtcdKeyValue;
}

/** The reply to a range. */
export interface EtcdRange {
  readonly header?: EtcdHeader;
  readonly kvs?: readonly EtcdKeyValue[];
  readonly more?: boolean;
}

/** The reply to a transaction. */
export interface EtcdTransaction {
  readonly header?: EtcdHeader;
  readonly succeeded?: boolean;
  readonly responses?: readonly { readonly response_range?: EtcdRange }[];
}

/** A key that is there. */
export interface KeyValue {
  readonly key: string;
  readonly value: string;
  /** The revision of its last change. */
  readonly revision: number;
}

/** A key that has changed. */
export interface KeyChange {
  readonly key: string;
  /** Undefined when it was deleted. */
  readonly value: string | undefined;
  readonly revision: number;
}

export function toBase64(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64');
}

function ofBase64(base64: string): string {
  return Buffer.from(base64, 'base64').toString('utf8');
}

/**
 * A revision as a number: it counts changes, and 2^53 of them take longer than a cluster lives.
 *
 * @throws Error for what is none. A cluster begins with 1, so that a reply without a revision is none of etcd.
 */
export function revisionOf(text: string | undefined): number {
  if (typeof text !== 'string' || !/^[1-9]\d*$/.test(text)) throw notEtcd();
  return Number(text);
}

/** What is wrong with a reply that etcd cannot have given: something else answers in its place. */
export function notEtcd(): Error {
  return new Error('the reply is not one of etcd');
}

/** @throws Error for what is no key of etcd. */
export function keyValueOf(raw: EtcdKeyValue): KeyValue {
  const { key, value = '', mod_revision } = raw ?? {};
  if (typeof key !== 'string' || typeof value !== 'string') throw notEtcd();
  return { key: ofBase64(key), value: ofBase64(value), revision: revisionOf(mod_revision) };
}

/** @throws Error for what is no change of etcd. */
export function keyChangeOf(raw: EtcdEvent): KeyChange {
  const { type, kv } = raw ?? {};
  const { key, value, revision } = keyValueOf(kv);
  return { key, value: type === 'DELETE' ? undefined : value, revision };
}

/** The first key after another one, both in base64: keys are bytes, and need not be text. */
export function keyAfter(key: string): string {
  return Buffer.concat([Buffer.from(key, 'base64'), Buffer.of(0)]).toString('base64');
}

/** All keys that begin with `prefix`, which is not empty and ends with an ASCII character, such as `/`. */
export function prefixRange(prefix: string): { readonly key: string; readonly range_end: string } {
  const end = Buffer.from(prefix, 'utf8');
  end[end.length - 1] = (end.at(-1) as number) + 1;
  return { key: toBase64(prefix), range_end: end.toString('base64') };
}
