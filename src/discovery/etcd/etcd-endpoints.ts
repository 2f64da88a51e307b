/**
 * Which endpoints do the keys of a service stand for? `<prefix>/endpoints/<service>/<address>` holds one as JSON, see
 * {@link import('../endpoint-text.ts').endpointText}, or nothing for one with defaults. A key whose value is no endpoint
 * keeps the one it had, and is told as a failure that names it; the others are not affected.
 */
import { type Endpoint, endpointKey, makeEndpoint, parseAddress } from '../../core/endpoint.ts';
import { endpointOfText } from '../endpoint-text.ts';
import type { LoopTurns } from '../loop-turns.ts';
import type { EndpointChange, Sink } from '../registry.ts';
import { etcdError } from './etcd-errors.ts';
import type { PrefixSink, SinkSession } from './etcd-watch.ts';
import type { KeyChange, KeyValue } from './etcd-wire.ts';

/** The prefix of a service's endpoints. */
export function endpointsPrefix(prefix: string, service: string): string {
  return `${prefix}/endpoints/${service}/`;
}

/** The endpoint that a key and its value stand for; a text that says what is wrong otherwise. */
export function endpointOfKey(address: string, value: string): Endpoint | string {
  if (value === '') {
    const parts = parseAddress(address);
    if (parts === undefined || endpointKey(parts) !== address) return 'the key ends with no address';
    return makeEndpoint(parts);
  }
  const endpoint = endpointOfText(value);
  if (typeof endpoint === 'string' || endpointKey(endpoint) === address) return endpoint;
  return `the value is of ${endpointKey(endpoint)}`;
}

/** What a change says. */
interface EndpointRead {
  readonly key: string;
  readonly address: string;
  /** Undefined when the key is gone; a text says what is wrong. */
  readonly read: Endpoint | string | undefined;
}

/** Tells the endpoints of one service. */
export class EtcdEndpoints implements PrefixSink {
  private readonly registry: string;
  private readonly prefix: string;
  private readonly sink: Sink<EndpointChange>;
  /** By address. */
  private endpoints = new Map<string, Endpoint>();
  /** Addresses whose value is no endpoint. */
  private nonsense = new Set<string>();
  private revision = 0;
  /** Whether endpoints were told, and not their absence since. */
  private isTold = false;

  /** @param registry its name, for error messages. */
  constructor(registry: string, prefix: string, sink: Sink<EndpointChange>) {
    this.registry = registry;
    this.prefix = prefix;
    this.sink = sink;
  }

  async full(keys: readonly KeyValue[], revision: number, { signal, turns }: SinkSession): Promise<void> {
    const endpoints = new Map<string, Endpoint>();
    const nonsense = new Set<string>();
    let problem: Error | undefined;
    for (const { key, value } of keys) {
      if (turns.due) await turns.turn();
      const address = this.addressOf(key);
      const read = endpointOfKey(address, value);
      const endpoint = typeof read === 'string' ? this.endpoints.get(address) : read;
      if (endpoint !== undefined) endpoints.set(address, endpoint);
      if (typeof read !== 'string') continue;
      nonsense.add(address);
      problem ??= this.problem(key, read);
    }
    if (signal.aborted) return;
    this.endpoints = endpoints;
    this.nonsense = nonsense;
    this.revision = revision;
    this.tellAll();
    if (problem !== undefined && !signal.aborted) this.sink.failed(problem);
  }

  async read(changes: readonly KeyChange[], turns: LoopTurns): Promise<(revision: number) => void> {
    const reads: EndpointRead[] = [];
    for (const { key, value } of changes) {
      if (turns.due) await turns.turn();
      const address = this.addressOf(key);
      reads.push({ key, address, read: value === undefined ? undefined : endpointOfKey(address, value) });
    }
    return (revision) => this.changed(reads, revision);
  }

  again(): void {
    this.tell([], []);
  }

  failed(error: Error): void {
    this.sink.failed(error);
  }

  private changed(reads: readonly EndpointRead[], revision: number): void {
    const put = new Map<string, Endpoint>();
    const removed = new Set<string>();
    const problems = new Map<string, Error>();
    let isCured = false;
    for (const { key, address, read } of reads) {
      if (typeof read === 'string') {
        this.nonsense.add(address);
        problems.set(address, this.problem(key, read));
        continue;
      }
      problems.delete(address);
      if (this.nonsense.delete(address)) isCured = true;
      if (read !== undefined) {
        this.endpoints.set(address, read);
        put.set(address, read);
        removed.delete(address);
      } else if (this.endpoints.delete(address)) {
        put.delete(address);
        removed.add(address);
      }
    }
    this.revision = revision;
    if (isCured || put.size > 0 || removed.size > 0) this.tell([...put.values()], [...removed]);
    const [problem] = problems.values();
    if (problem !== undefined) this.sink.failed(problem);
  }

  /** Of a prefix with nothing but nonsense nothing is known. */
  private tellAll(): void {
    const version = String(this.revision);
    if (this.endpoints.size === 0 && this.nonsense.size === 0) {
      this.isTold = false;
      this.sink.absent(version);
    } else if (this.endpoints.size > 0 || this.isTold) {
      this.isTold = true;
      void this.sink.set({ full: [...this.endpoints.values()] }, version);
    }
  }

  private tell(put: readonly Endpoint[], removed: readonly string[]): void {
    const isEmpty = this.endpoints.size === 0 && this.nonsense.size === 0;
    if (isEmpty || !this.isTold) this.tellAll();
    else void this.sink.set({ put, removed }, String(this.revision));
  }

  private addressOf(key: string): string {
    return key.slice(this.prefix.length);
  }

  private problem(key: string, reason: string): Error {
    return etcdError(this.registry, key, new Error(reason));
  }
}
