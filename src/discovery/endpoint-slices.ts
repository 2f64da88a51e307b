/**
 * Which endpoints does a service have, when several EndpointSlices hold them? All of them, of one kind of address: with
 * IPv4 addresses the others do not count, because a pod of a dual stack has both and is one endpoint (as with A and
 * AAAA records). An address that is in two slices, as while it moves from one to the other, counts once, and serves
 * when one of them says so.
 */
import { type Endpoint, sameEndpoint } from '../core/endpoint.ts';
import { type AddressType, addressTypes, type Slice } from './endpoint-slice.ts';
import type { EndpointChange } from './registry.ts';

/** The slices of one service. */
export class EndpointSlices {
  private readonly slices = new Map<string, Slice>();

  /** How many there are. */
  get size(): number {
    return this.slices.size;
  }

  /** The slice of this name, as it was set last. */
  get(name: string): Slice | undefined {
    return this.slices.get(name);
  }

  /** These slices are there, and no others. */
  replace(slices: ReadonlyMap<string, Slice>): void {
    this.slices.clear();
    for (const [name, slice] of slices) this.slices.set(name, slice);
  }

  /** All endpoints. */
  endpoints(): readonly Endpoint[] {
    const type = this.addressType();
    const found = new Map<string, Endpoint>();
    for (const slice of this.slices.values()) {
      if (slice.addressType !== type) continue;
      for (const [key, endpoint] of slice.endpoints) found.set(key, preferred(found.get(key), endpoint));
    }
    return [...found.values()];
  }

  /**
   * Sets a slice, or takes it out when it is undefined.
   *
   * @returns what that changes; undefined when it changes no endpoint.
   */
  change(name: string, slice: Slice | undefined): EndpointChange | undefined {
    const former = this.slices.get(name);
    const formerType = this.addressType();
    const keys = new Set([...(former?.endpoints.keys() ?? []), ...(slice?.endpoints.keys() ?? [])]);
    const before = new Map([...keys].map((key) => [key, this.find(key, formerType)]));
    if (slice === undefined) this.slices.delete(name);
    else this.slices.set(name, slice);
    const type = this.addressType();
    if (type !== formerType) return { full: this.endpoints() };
    const put: Endpoint[] = [];
    const removed: string[] = [];
    for (const [key, was] of before) {
      const now = this.find(key, type);
      if (now === undefined) {
        if (was !== undefined) removed.push(key);
      } else if (was === undefined || !sameEndpoint(was, now)) put.push(now);
    }
    return put.length + removed.length === 0 ? undefined : { put, removed };
  }

  /** The kind of address that counts: the first of which there are any, ready or not: it outlasts a rollout. */
  private addressType(): AddressType | undefined {
    const slices = [...this.slices.values()].filter(({ hasAddresses }) => hasAddresses);
    return addressTypes.find((type) => slices.some(({ addressType }) => addressType === type));
  }

  private find(key: string, type: AddressType | undefined): Endpoint | undefined {
    let found: Endpoint | undefined;
    for (const { addressType, endpoints } of this.slices.values()) {
      const endpoint = addressType === type ? endpoints.get(key) : undefined;
      if (endpoint !== undefined) found = preferred(found, endpoint);
    }
    return found;
  }
}

function preferred(one: Endpoint | undefined, other: Endpoint): Endpoint {
  return one === undefined || (one.state === 'draining' && other.state === 'serving') ? other : one;
}
