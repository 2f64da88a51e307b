/**
 * What does the driver ask of etcd? Ranges in pages, transactions, leases and watches; see "etcd v3 API" and
 * `api/etcdserverpb/rpc.proto` of etcd for what they mean.
 */
import { etcdCodes, etcdError, refusalCode } from './etcd-errors.ts';
import type { EtcdGateway, EtcdParts, EtcdRequest } from './etcd-gateway.ts';
import {
  type EtcdHeader,
  type EtcdRange,
  type EtcdTransaction,
  type KeyValue,
  keyValueOf,
  prefixRange,
  revisionOf,
  toBase64,
} from './etcd-wire.ts';
import type { LoopTurns } from './loop-turns.ts';

/** Where a cluster is. */
export interface EtcdPosition {
  /** The member that said so. */
  readonly host: string;
  /** Of the cluster at some moment since the question; undefined when the key may not be read. */
  readonly revision: number | undefined;
  /** Another one after a restore from a backup; undefined when the key may not be read. */
  readonly cluster: string | undefined;
}

/** What is under a prefix. */
export interface EtcdKeys {
  readonly keys: readonly KeyValue[];
  readonly revision: number;
}

/** A page has at most this many keys: no reply is large, and none holds up the calls of the process. */
const pageKeys = 1_000;

/** More keys than this are a wrong prefix. */
const maxKeys = 100_000;

/** The operations of the driver. All reject with MeshError `INMESH_REGISTRY`, which names the key. */
export class EtcdClient {
  private readonly gateway: EtcdGateway;

  constructor(gateway: EtcdGateway) {
    this.gateway = gateway;
  }

  /** Of the registry. */
  get name(): string {
    return this.gateway.name;
  }

  /**
   * All that is under a prefix at one revision.
   *
   * @param turns when the event loop turns.
   */
  async keys(prefix: string, turns: LoopTurns, request: Omit<EtcdRequest, 'what'>): Promise<EtcdKeys> {
    const { key: first, range_end } = prefixRange(prefix);
    const keys: KeyValue[] = [];
    let key = first;
    let revision: string | undefined;
    for (;;) {
      const message = { key, range_end, limit: pageKeys, ...(revision === undefined ? undefined : { revision }) };
      const page = await this.gateway.post<EtcdRange>('/v3/kv/range', message, { ...request, what: prefix });
      revision ??= page.header?.revision;
      for (const raw of page.kvs ?? []) {
        if (turns.due) await turns.turn();
        keys.push(keyValueOf(raw));
      }
      const last = keys.at(-1);
      if (page.more !== true || last === undefined) return { keys, revision: revisionOf(revision) };
      if (keys.length >= maxKeys) throw etcdError(this.name, prefix, new Error(`more than ${maxKeys} keys`));
      key = toBase64(`${last.key}\0`);
    }
  }

  /**
   * A transaction. Its revision is that of what it wrote.
   *
   * @param message as of `TxnRequest`.
   */
  transact(message: object, request: EtcdRequest): Promise<EtcdTransaction> {
    return this.gateway.post('/v3/kv/txn', message, request);
  }

  /** Puts a key under a lease. */
  async put(key: string, value: string, lease: string, request: Omit<EtcdRequest, 'what'>): Promise<void> {
    const message = { key: toBase64(key), value: toBase64(value), lease };
    await this.gateway.post('/v3/kv/put', message, { ...request, what: key });
  }

  /** A new lease of this time, as its id. */
  async grantLease(ttlSeconds: number, request: EtcdRequest): Promise<string> {
    const { ID } = await this.gateway.post<{ ID: string }>('/v3/lease/grant', { TTL: ttlSeconds }, request);
    return ID;
  }

  /** Begins the time of a lease anew. False when there is no such lease any more. */
  async renewLease(ID: string, request: EtcdRequest): Promise<boolean> {
    type Reply = { readonly result?: { readonly TTL?: string } };
    const { result } = await this.gateway.post<Reply>('/v3/lease/keepalive', { ID }, request);
    return result?.TTL !== undefined;
  }

  /** Ends a lease, and deletes what is under it; one that has ended already is no error. */
  async revokeLease(ID: string, request: EtcdRequest): Promise<void> {
    try {
      await this.gateway.post('/v3/lease/revoke', { ID }, request);
    } catch (error) {
      if (refusalCode(error) !== etcdCodes.notFound) throw error;
    }
  }

  /**
   * Asks the member that watches come from. Its answer is one of the cluster, so a member that is cut off gives none.
   *
   * @param key one that may be read.
   */
  async position(key: string, request: Omit<EtcdRequest, 'what'>): Promise<EtcdPosition> {
    const message = { key: toBase64(key), count_only: true };
    type Reply = { readonly header?: EtcdHeader };
    const answer = await this.gateway.askBesideStreams<Reply>('/v3/kv/range', message, { ...request, what: 'watch' });
    const { host, refusal } = answer;
    if (refusal?.grpcCode === etcdCodes.permissionDenied) return { host, revision: undefined, cluster: undefined };
    if (refusal !== undefined) throw etcdError(this.name, 'watch', refusal);
    const { header } = answer.message;
    return { host, revision: revisionOf(header?.revision), cluster: header?.cluster_id };
  }

  /** A stream of watches. */
  watch(body: string, request: Omit<EtcdRequest, 'what'>): Promise<EtcdParts> {
    return this.gateway.stream('/v3/watch', body, { ...request, what: 'watch' });
  }

  /** The next stream comes from another member than this one. */
  turnFrom(host: string): void {
    this.gateway.turnFrom(host);
  }
}
