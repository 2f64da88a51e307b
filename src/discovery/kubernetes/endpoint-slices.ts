/**
 * Which endpoints does a service have, when several EndpointSlices hold them? All of them, of one kind of address: with
 * IPv4 addresses the others do not count, because a pod of a dual stack has both and is one endpoint (as with A and
 * AAAA records). An address that is in two slices, as while it moves from one to the other, counts once, and serves
 * when one of them says so.
 */
import { type Endpoint, sameEndpoint } from '../../core/endpoint.ts';
import type { LoopTurns } from '../loop-turns.ts';
import type { EndpointChange } from '../registry.ts';
import { type AddressType, addressTypes, type Slice } from './endpoint-slice.ts';

/** The slices of one service. */
export class EndpointSlices {
  private slices = new Map<string, Slice>();
  private kinds = makeKinds();

  /** How many there are. */
  get size(): number {
    return this.slices.size;
  }

  /** The slice of this name, as it was set last. */
  get(name: string): Slice | undefined {
    return this.slices.get(name);
  }

  /** These slices are there, and no others. Takes turns of the loop. */
  async replace(slices: ReadonlyMap<string, Slice>, turns: LoopTurns): Promise<void> {
    const kinds = makeKinds();
    for (const slice of slices.values()) {
      if (turns.due) await turns.turn();
      kinds[slice.addressType].swap(undefined, slice);
    }
    this.slices = new Map(slices);
    this.kinds = kinds;
  }

  /** All endpoints. They are at hand: ten thousand are less than a millisecond. */
  endpoints(): readonly Endpoint[] {
    const { type } = this;
    return type === undefined ? [] : this.kinds[type].endpoints();
  }

  /**
   * Sets a slice, or takes it out when it is undefined.
   *
   * @returns what that changes; undefined when it changes no endpoint.
   */
  change(name: string, slice: Slice | undefined): EndpointChange | undefined {
    const former = this.slices.get(name);
    const formerType = this.type;
    if (slice === undefined) this.slices.delete(name);
    else this.slices.set(name, slice);
    let change: EndpointChange | undefined;
    for (const type of addressTypes) {
      const was = former?.addressType === type ? former : undefined;
      const now = slice?.addressType === type ? slice : undefined;
      const difference = this.kinds[type].swap(was, now);
      if (type === formerType) change = difference;
    }
    return this.type === formerType ? change : { full: this.endpoints() };
  }

  /** The kind of address that counts: the first of which there are any, ready or not: it outlasts a rollout. */
  private get type(): AddressType | undefined {
    return addressTypes.find((type) => this.kinds[type].hasAny);
  }
}

function makeKinds(): Readonly<Record<AddressType, Addresses>> {
  return { IPv4: new Addresses(), IPv6: new Addresses(), FQDN: new Addresses() };
}

/** The addresses of one kind, and what slices say of each: nearly always one says something. */
class Addresses {
  private readonly said = new Map<string, readonly Endpoint[]>();
  /** How many slices name any. */
  private naming = 0;

  get hasAny(): boolean {
    return this.naming > 0;
  }

  endpoints(): readonly Endpoint[] {
    return Array.from(this.said.values(), (all) => preferred(all) as Endpoint);
  }

  /** Takes `now` in place of `was`; what that changes, if anything. */
  swap(was: Slice | undefined, now: Slice | undefined): EndpointChange | undefined {
    this.naming += Number(now?.hasAddresses ?? false) - Number(was?.hasAddresses ?? false);
    const put: Endpoint[] = [];
    const removed: string[] = [];
    for (const [key, endpoint] of now?.endpoints ?? []) {
      if (this.say(key, was?.endpoints.get(key), endpoint)) put.push(preferred(this.said.get(key)) as Endpoint);
    }
    for (const [key, endpoint] of was?.endpoints ?? []) {
      if (now?.endpoints.has(key) || !this.say(key, endpoint, undefined)) continue;
      const left = preferred(this.said.get(key));
      if (left === undefined) removed.push(key);
      else put.push(left);
    }
    return put.length + removed.length === 0 ? undefined : { put, removed };
  }

  /** One slice says `now` where it said `was`; whether that makes a difference. */
  private say(key: string, was: Endpoint | undefined, now: Endpoint | undefined): boolean {
    const all = this.said.get(key) ?? [];
    const others = was === undefined ? all : all.toSpliced(all.indexOf(was), 1);
    const left = now === undefined ? others : [...others, now];
    if (left.length === 0) this.said.delete(key);
    else this.said.set(key, left);
    const [before, after] = [preferred(all), preferred(left)];
    return before === undefined || after === undefined ? before !== after : !sameEndpoint(before, after);
  }
}

/** The first that serves, else the first. */
function preferred(all: readonly Endpoint[] | undefined): Endpoint | undefined {
  return all === undefined || all.length <= 1 ? all?.[0] : (all.find(({ state }) => state === 'serving') ?? all[0]);
}
