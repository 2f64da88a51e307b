/**
 * What has a registry told, what is shown of it, and what is the difference? This bookkeeping has no time and tells
 * nobody; {@link import('./endpoint-view.ts').EndpointView} does. Its work is done in steps, because there may be much.
 */
import { type Endpoint, endpointKey, sameEndpoint } from '../core/endpoint.ts';
import { readEndpoint } from './read-endpoint.ts';
import type { EndpointChange, Verdict } from './registry.ts';
import { isBelievable } from './shrink-guard.ts';

/** Work with pauses: each `yield` is a good moment to let the event loop turn. */
export type Steps<T = void> = Generator<void, T, void>;

/** What has to be done to what is shown. */
export interface ShownChange {
  readonly put: readonly Endpoint[];
  /** Keys. */
  readonly removed: readonly string[];
}

/** Steps between two pauses. */
const stepsPerPause = 64;

/** More of them say nothing new. */
const maxProblems = 10;

const accepted: Verdict = Object.freeze({ accepted: true });

const none: ReadonlyMap<string, Endpoint> = new Map();

/** The endpoints of a service, as told and as shown. */
export class EndpointLedger {
  private told = new Map<string, Endpoint>();
  private servingTold = 0;
  /** What vanished and is shown all the same; each of it was serving. */
  private held: ReadonlyMap<string, Endpoint> = none;
  private servingShown = 0;
  /** What was shown under the keys that were told anew since {@link settle}. */
  private before = new Map<string, Endpoint | undefined>();

  /** How many endpoints are shown, once settled. */
  get size(): number {
    return this.told.size + this.held.size;
  }

  /** How many of these have vanished from what was told. */
  get heldCount(): number {
    return this.held.size;
  }

  /** Whether what was told has an endpoint that is not draining. */
  get hasServing(): boolean {
    return this.servingTold > 0;
  }

  /** Whether an endpoint is shown although it has vanished. */
  isHeld(key: string): boolean {
    return this.held.has(key);
  }

  /** What is shown. */
  *endpoints(): Iterable<Endpoint> {
    yield* this.told.values();
    yield* this.held.values();
  }

  /** Takes what the registry told; when it is not valid, nothing changes. */
  *take(change: EndpointChange): Steps<Verdict> {
    const given: unknown = 'full' in change ? change.full : change.put;
    if (!Array.isArray(given)) return { accepted: false, problems: ['the endpoints are no list'] };
    const read = new Map<string, Endpoint>();
    const problems: string[] = [];
    for (const [index, one] of given.entries()) {
      if (index % stepsPerPause === 0) yield;
      const endpoint = readEndpoint(one);
      if (typeof endpoint !== 'string') read.set(endpointKey(endpoint), endpoint);
      else if (problems.length < maxProblems) problems.push(`endpoints[${index}]: ${endpoint}`);
    }
    if (problems.length > 0) return { accepted: false, problems };
    if ('full' in change) yield* this.replace(read);
    else {
      for (const key of change.removed) this.remove(key);
      yield* this.putAll(read);
    }
    return accepted;
  }

  /** Takes it that the registry names none. */
  *clear(): Steps {
    yield* this.replace(none);
  }

  /**
   * Brings what is shown up to date with what was told.
   *
   * @param isGone whether an endpoint that vanished is believed gone, whatever else vanished.
   */
  *settle(isGone: (key: string) => boolean): Steps<ShownChange> {
    const { before, held: heldBefore } = this;
    this.before = new Map();
    const held = yield* this.findHeld(before, isGone);
    const put: Endpoint[] = [];
    const removed: string[] = [];
    let steps = 0;
    for (const [key, was] of before) {
      if (++steps % stepsPerPause === 0) yield;
      const now = this.told.get(key) ?? held.get(key);
      if (now === undefined) {
        if (was !== undefined) removed.push(key);
      } else if (was === undefined || !sameEndpoint(was, now)) put.push(now);
    }
    for (const key of heldBefore.keys()) if (!before.has(key) && !held.has(key)) removed.push(key);
    this.held = held;
    this.servingShown = this.servingTold + held.size;
    return { put, removed };
  }

  private *findHeld(
    before: ReadonlyMap<string, Endpoint | undefined>,
    isGone: (key: string) => boolean,
  ): Steps<ReadonlyMap<string, Endpoint>> {
    const vanished = new Map<string, Endpoint>();
    let announced = 0;
    let gone = 0;
    const vanish = (key: string, endpoint: Endpoint) => {
      if (isGone(key)) gone++;
      else vanished.set(key, endpoint);
    };
    let steps = 0;
    for (const [key, was] of before) {
      if (++steps % stepsPerPause === 0) yield;
      if (was?.state !== 'serving') continue;
      const now = this.told.get(key);
      if (now?.state === 'draining') announced++;
      else if (now === undefined) vanish(key, was);
    }
    for (const [key, endpoint] of this.held) if (!before.has(key)) vanish(key, endpoint);
    if (vanished.size === 0) return none;
    return isBelievable(this.servingShown - gone, this.servingTold + announced) ? none : vanished;
  }

  private *replace(endpoints: ReadonlyMap<string, Endpoint>): Steps {
    let steps = 0;
    for (const key of [...this.told.keys()]) {
      if (++steps % stepsPerPause === 0) yield;
      if (!endpoints.has(key)) this.remove(key);
    }
    yield* this.putAll(endpoints);
  }

  private *putAll(endpoints: ReadonlyMap<string, Endpoint>): Steps {
    let steps = 0;
    for (const [key, endpoint] of endpoints) {
      if (++steps % stepsPerPause === 0) yield;
      this.touch(key);
      this.told.set(key, endpoint);
      if (endpoint.state === 'serving') this.servingTold++;
    }
  }

  private remove(key: string): void {
    if (!this.told.has(key)) return;
    this.touch(key);
    this.told.delete(key);
  }

  /** Notes what is shown under `key` before it changes. */
  private touch(key: string): void {
    const was = this.told.get(key);
    if (!this.before.has(key)) this.before.set(key, was ?? this.held.get(key));
    if (was?.state === 'serving') this.servingTold--;
  }
}
