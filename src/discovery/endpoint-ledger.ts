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
  /** How many serving endpoints went as they should: they drain now, or are believed gone. */
  readonly excused: number;
  /** Whether more is held than before. */
  readonly holdsMore: boolean;
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

  /** How many endpoints that are shown are serving, once settled. */
  get serving(): number {
    return this.servingShown;
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
    if (typeof change !== 'object' || change === null)
      return { accepted: false, problems: ['the change is no object'] };
    const given: unknown = 'full' in change ? change.full : change.put;
    const isFull = 'full' in change;
    if (!isFull && !(Array.isArray(change.removed) && change.removed.every((key) => typeof key === 'string'))) {
      return { accepted: false, problems: ['the removed keys are no list of texts'] };
    }
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
   * @param peak how many were serving lately, at the most; fewer than are shown count as those.
   */
  *settle(isGone: (key: string) => boolean, peak: number): Steps<ShownChange> {
    const { before, held: heldBefore } = this;
    this.before = new Map();
    const { held, excused } = yield* this.findHeld(before, isGone, peak);
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
    const holdsMore = [...held.keys()].some((key) => !heldBefore.has(key));
    return { put, removed, excused, holdsMore };
  }

  private *findHeld(
    before: ReadonlyMap<string, Endpoint | undefined>,
    isGone: (key: string) => boolean,
    peak: number,
  ): Steps<{ held: ReadonlyMap<string, Endpoint>; excused: number }> {
    // What is held stays so: a registry that lost all of a set gets it back one by one.
    const held = new Map<string, Endpoint>();
    const vanished = new Map<string, Endpoint>();
    let announced = 0;
    let gone = 0;
    let steps = 0;
    for (const [key, was] of before) {
      if (++steps % stepsPerPause === 0) yield;
      if (was?.state !== 'serving') continue;
      const now = this.told.get(key);
      if (now?.state === 'draining') announced++;
      else if (now !== undefined) continue;
      else if (isGone(key)) gone++;
      else vanished.set(key, was);
    }
    for (const [key, endpoint] of this.held) {
      if (before.has(key)) continue;
      if (isGone(key)) gone++;
      else held.set(key, endpoint);
    }
    if (vanished.size > 0 && !isBelievable(Math.max(peak, this.servingShown) - gone, this.servingTold + announced)) {
      for (const [key, endpoint] of vanished) held.set(key, endpoint);
    }
    return { held: held.size === 0 ? none : held, excused: gone + announced };
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
