/**
 * What does an endpoint of a document with `resolution: DNS` stand for? For the addresses of its name, each with the
 * labels, the locality and the weight of the document.
 */
import { type Endpoint, endpointKey, makeEndpoint } from '../core/endpoint.ts';
import type { EndpointWatch, SteadyRegistry } from '../discovery/steady-registry.ts';

/** Gets the addresses. */
export interface NamedEndpointsTarget {
  setEndpoints(endpoints: readonly Endpoint[]): void;
  /** Every name has been answered, or one has addresses. */
  known(): void;
  failed(error: Error): void;
}

/** A name that is watched. */
interface Name {
  endpoint: Endpoint;
  /** Undefined before the first answer. */
  addresses: ReadonlyMap<string, Endpoint> | undefined;
  readonly watch: EndpointWatch | undefined;
}

/** The addresses of all names of a service. */
export class NamedEndpoints {
  private readonly dns: SteadyRegistry;
  private readonly target: NamedEndpointsTarget;
  /** By `name:port`. */
  private names = new Map<string, Name>();

  constructor(dns: SteadyRegistry, target: NamedEndpointsTarget) {
    this.dns = dns;
    this.target = target;
  }

  /** From now on these names count; those that stay keep their addresses. */
  watch(endpoints: readonly Endpoint[]): void {
    const before = this.names;
    this.names = new Map();
    const added: string[] = [];
    for (const endpoint of endpoints) {
      const key = endpointKey(endpoint);
      const known = before.get(key);
      if (known !== undefined) this.names.set(key, { ...known, endpoint });
      else if (!this.names.has(key)) added.push(key);
      before.delete(key);
      if (known === undefined) this.names.set(key, { endpoint, addresses: undefined, watch: undefined });
    }
    for (const { watch } of before.values()) watch?.close();
    // Without an answer for any of them the former endpoints stay until the first.
    if (endpoints.length === 0 || added.length < this.names.size) this.tell();
    for (const key of added) this.open(key);
  }

  /** A connection to the endpoint of this key was refused. */
  refused(key: string): void {
    for (const { watch } of this.names.values()) watch?.refused(key);
  }

  close(): void {
    for (const { watch } of this.names.values()) watch?.close();
    this.names.clear();
  }

  private open(key: string): void {
    const update = (addresses: ReadonlyMap<string, Endpoint>) => {
      const name = this.names.get(key);
      if (name === undefined) return;
      name.addresses = addresses;
      this.tell();
    };
    const watch = this.dns.watchEndpoints?.(key, {
      set: (change) => {
        const addresses = new Map('full' in change ? undefined : this.names.get(key)?.addresses);
        if ('put' in change) for (const removed of change.removed) addresses.delete(removed);
        for (const one of 'full' in change ? change.full : change.put) addresses.set(endpointKey(one), one);
        update(addresses);
        return { accepted: true };
      },
      absent: () => update(new Map()),
      failed: (error) => this.target.failed(error),
    });
    const name = this.names.get(key) as Name;
    this.names.set(key, { ...name, watch });
  }

  private tell(): void {
    const names = [...this.names.values()];
    const endpoints = names.flatMap(({ endpoint, addresses }) =>
      [...(addresses?.values() ?? [])].map(({ host, port }) => makeEndpoint({ ...endpoint, host, port })),
    );
    this.target.setEndpoints(endpoints);
    if (endpoints.length > 0 || names.every(({ addresses }) => addresses !== undefined)) this.target.known();
  }
}
