/**
 * What does the driver ask of etcd? Ranges in pages, transactions, leases and watches; see "etcd v3 API" and
 * `api/etcdserverpb/rpc.proto` of etcd for what they mean.
 */
import { MeshError } from '../../core/errors.ts';
import type { LoopTurns } from '../loop-turns.ts';
import { etcdCodes, etcdError, refusalCode } from './etcd-errors.ts';
import type { EtcdGateway, EtcdParts, EtcdRequest } from './etcd-gateway.ts';
import {
  type EtcdHeader,
  type EtcdRange,
  type EtcdTransaction,
  type KeyValue,
  keyAfter,
  keyValueOf,
  notEtcd,
  prefixRange,
  revisionOf,
  toBase64,
} from './etcd-wire.ts';

/** Where a cluster is. */
export interface EtcdPosition {
  /** The member that said so. */
  readonly host: string;
  /** Of the cluster at some moment since the question; undefined when the key may not be read. */
  readonly revision: number | undefined;
  /** Another one after a restore from a backup under another name; undefined when the key may not be read. */
  readonly cluster: string | undefined;
  /** Counts elections, so it falls only when the cluster began anew; undefined when the key may not be read. */
  readonly term: number | undefined;
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
    try {
      return await this.pages(prefix, turns, { ...request, what: prefix, isRepeatable: true });
    } catch (error) {
      throw request.signal?.aborted === true || error instanceof MeshError
        ? error
        : etcdError(this.name, prefix, error);
    }
  }

  private async pages(prefix: string, turns: LoopTurns, request: EtcdRequest): Promise<EtcdKeys> {
    const { key: first, range_end } = prefixRange(prefix);
    const keys: KeyValue[] = [];
    let key = first;
    let revision: string | undefined;
    for (;;) {
      const message = { key, range_end, limit: pageKeys, ...(revision === undefined ? undefined : { revision }) };
      const page = await this.gateway.post<EtcdRange>('/v3/kv/range', message, request);
      const { header, kvs = [], more } = page;
      revision ??= header?.revision;
      if (!Array.isArray(kvs)) throw notEtcd();
      for (const raw of kvs) {
        if (turns.due) await turns.turn();
        keys.push(keyValueOf(raw));
      }
      const last = kvs.at(-1);
      if (more !== true || last === undefined) return { keys, revision: revisionOf(revision) };
      if (keys.length >= maxKeys) throw new Error(`more than ${maxKeys} keys`);
      key = keyAfter(last.key);
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
    await this.gateway.post('/v3/kv/put', message, { ...request, what: key, isRepeatable: true });
  }

  /**
   * Puts a key under a lease when nobody has put it. Asks first: a transaction that may write costs the disks of the
   * members, and this is asked for as long as the process lives. A user who may write only is told nothing, and left be.
   */
  async putIfGone(key: string, value: string, lease: string, request: Omit<EtcdRequest, 'what'>): Promise<void> {
    const compare = [{ key: toBase64(key), target: 'VERSION', result: 'EQUAL', version: '0' }];
    const success = [{ request_put: { key: toBase64(key), value: toBase64(value), lease } }];
    const repeatable = { ...request, what: key, isRepeatable: true };
    try {
      const { succeeded } = await this.transact({ compare }, repeatable);
      if (succeeded === true) await this.transact({ compare, success }, repeatable);
    } catch (error) {
      if (refusalCode(error) !== etcdCodes.permissionDenied) throw error;
    }
  }

  /** A new lease of this time, as its id. When the reply is lost there is another one, which ends by itself. */
  async grantLease(ttlSeconds: number, request: EtcdRequest): Promise<string> {
    const asked = { ...request, isRepeatable: true };
    const { ID } = await this.gateway.post<{ ID?: string }>('/v3/lease/grant', { TTL: ttlSeconds }, asked);
    if (typeof ID !== 'string') throw etcdError(this.name, request.what, notEtcd());
    return ID;
  }

  /** Begins the time of a lease anew. False when there is no such lease any more. */
  async renewLease(ID: string, request: EtcdRequest): Promise<boolean> {
    type Reply = { readonly result?: { readonly TTL?: string } };
    const asked = { ...request, isRepeatable: true };
    const { result } = await this.gateway.post<Reply>('/v3/lease/keepalive', { ID }, asked);
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
    if (refusal?.grpcCode === etcdCodes.permissionDenied) {
      return { host, revision: undefined, cluster: undefined, term: undefined };
    }
    if (refusal !== undefined) throw etcdError(this.name, 'watch', refusal);
    const { header } = answer.message;
    const { cluster_id: cluster, raft_term } = header ?? {};
    return { host, revision: revisionOf(header?.revision), cluster, term: Number(raft_term ?? 0) };
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
