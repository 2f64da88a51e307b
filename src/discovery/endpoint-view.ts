/**
 * When is the mesh told of the endpoints of a service? As soon as the registry tells, the same for every driver:
 * endpoints that are none are refused, only what differs is handed on, a burst of changes of a large set is handed on
 * at once, much work is done in slices, and what vanishes all at once is held until that is believable.
 */
import type { Clock, Timer } from '../core/clock.ts';
import type { Endpoint } from '../core/endpoint.ts';
import { MeshError } from '../core/errors.ts';
import { EndpointLedger, type ShownChange, type Steps } from './endpoint-ledger.ts';
import { LoopTurns } from './loop-turns.ts';
import { RecentPeak } from './recent-peak.ts';
import type { EndpointChange, Sink, Verdict } from './registry.ts';

/** How changes are handed on. */
export interface EndpointViewOptions {
  /** Whether what vanishes all at once is held. Default true. */
  readonly holds: boolean;
  /** How long endpoints that vanished all at once are held, in ms. Default 30,000. */
  readonly holdMs: number;
  /** Changes of a set of 256 endpoints and more are handed on at most this often, in ms. Default 10. */
  readonly coalesceMs: number;
}

export const endpointViewDefaults: EndpointViewOptions = Object.freeze({
  holds: true,
  holdMs: 30_000,
  coalesceMs: 10,
});

/** From here on a change is worth waiting for the next: each costs a pass over all members. */
const largeSet = 256;

/** So many endpoints are handed on at a time: they become members, at some 10 µs each. */
const batch = 100;

/** What a view is connected to. */
export interface EndpointViewParts {
  readonly clock: Clock;
  /** Of the registry and the service, for messages. */
  readonly name: string;
  readonly sink: Sink<EndpointChange>;
  /** Called when what is shown has changed. */
  readonly changed: () => void;
  readonly options: EndpointViewOptions;
}

/** So many refusals are remembered. */
const maxRefusals = 1_000;

type Judged = (verdict: Verdict) => void;

const accepted: Verdict = Object.freeze({ accepted: true });

/** The endpoints of one service. */
export class EndpointView {
  private readonly parts: EndpointViewParts;
  private readonly ledger = new EndpointLedger();
  private readonly queue: (() => Steps)[] = [];
  /** Who waits for a verdict. */
  private readonly waiting = new Set<Judged>();
  private working: Steps | undefined = undefined;
  private version = '';
  /** Whether the registry has told anything. */
  private isTold = false;
  private isAbsent = false;
  /** Whether the sink knows of endpoints. */
  private isShown = false;
  /** Whether what was told has not been looked at. */
  private isDue = false;
  /** Whether what vanished is believed gone. */
  private trusting = false;
  /** When endpoints refused a connection last, by key. */
  private readonly refusals = new Map<string, number>();
  private readonly peak = new RecentPeak();
  private shownAt = Number.NEGATIVE_INFINITY;
  private heldSince = Number.POSITIVE_INFINITY;
  private holdTimer: Timer | undefined = undefined;
  private coalesceTimer: Timer | undefined = undefined;
  private closed = false;

  constructor(parts: EndpointViewParts) {
    this.parts = parts;
  }

  /** What calls are sent to; none when the registry has no such service, undefined while nothing is known. */
  get endpoints(): readonly Endpoint[] | undefined {
    return this.isShown || this.isTold ? [...this.ledger.endpoints()] : undefined;
  }

  /** Shows what was known before, when the registry has told nothing yet. */
  recall(endpoints: readonly Endpoint[], version: string): void {
    if (!this.isTold && !this.isShown) void this.take({ full: endpoints }, version);
  }

  /** The registry tells. */
  set(change: EndpointChange, version: string): Verdict | Promise<Verdict> {
    this.isTold = true;
    return this.take(change, version);
  }

  /** The registry has no such service. */
  absent(version: string): void {
    this.isTold = true;
    this.run(() => this.takeAbsence(version));
  }

  /**
   * A connection to an endpoint was refused. If that is held, it has gone, and so have the others; unless the registry
   * names nobody else: then they are held on. If it vanishes within {@link EndpointViewOptions.holdMs}, that is no surprise.
   */
  refused(key: string): void {
    if (this.refusals.size >= maxRefusals) this.refusals.clear();
    this.refusals.set(key, this.parts.clock.now());
    if (!this.ledger.isHeld(key)) return;
    this.trusting = this.ledger.hasServing;
    this.isDue = true;
    this.run();
  }

  close(): void {
    this.closed = true;
    this.queue.length = 0;
    // A driver may wait for its verdict.
    for (const judged of [...this.waiting]) judged(accepted);
    this.stopTimer('holdTimer');
    this.stopTimer('coalesceTimer');
  }

  private take(change: EndpointChange, version: string): Verdict | Promise<Verdict> {
    if (this.closed) return accepted;
    let verdict: Verdict | undefined;
    let resolve: Judged | undefined;
    const judged: Judged = (judgement) => {
      verdict = judgement;
      resolve?.(judgement);
      this.waiting.delete(judged);
    };
    this.waiting.add(judged);
    this.run(() => this.takeChange(change, version, judged));
    // Small changes have been taken by now.
    if (verdict !== undefined) return verdict;
    return new Promise<Verdict>((settle) => {
      resolve = settle;
    });
  }

  private *takeChange(change: EndpointChange, version: string, judged: Judged): Steps {
    const verdict = yield* this.ledger.take(change);
    if (verdict.accepted) {
      this.isAbsent = false;
      this.isDue = true;
      this.version = version;
    } else {
      const { name, sink } = this.parts;
      sink.failed(new MeshError('INMESH_REGISTRY', `${name}: ${verdict.problems.join('; ')}`));
    }
    judged(verdict);
  }

  private *takeAbsence(version: string): Steps {
    yield* this.ledger.clear();
    this.isAbsent = true;
    this.isDue = true;
    this.version = version;
  }

  /** Where nobody is left, one that came back after a refusal may be the only one: then only those of the hold count. */
  private wasRefused(key: string): boolean {
    const { clock, options } = this.parts;
    const since = this.ledger.hasServing ? clock.now() - options.holdMs : this.heldSince;
    return (this.refusals.get(key) ?? Number.NEGATIVE_INFINITY) >= since;
  }

  private letGo(): void {
    this.trusting = true;
    this.isDue = true;
    this.run();
  }

  /** Does what is to be done, in order; the first slice of it now. */
  private run(work?: () => Steps): void {
    if (this.closed) return;
    if (work !== undefined) this.queue.push(work);
    if (this.working === undefined) this.slice(new LoopTurns(this.parts.clock));
  }

  private slice(turns: LoopTurns): void {
    while (!this.closed) {
      this.working ??= this.nextWork();
      if (this.working === undefined) return;
      if (this.isDone(this.working)) this.working = undefined;
      else if (turns.due) {
        void turns.turn().then(() => this.slice(turns));
        return;
      }
    }
  }

  /** Runs a step. A sink that throws ends its work, and nothing else: later slices have nobody to throw to. */
  private isDone(work: Steps): boolean {
    try {
      return work.next().done === true;
    } catch (error) {
      this.parts.sink.failed(error as Error);
      return true;
    }
  }

  /** What was told is taken in first, so that all of it is shown at once. */
  private nextWork(): Steps | undefined {
    const work = this.queue.shift();
    if (work !== undefined) return work();
    if (!this.isDue || this.coalesceTimer !== undefined) return undefined;
    const { clock, options } = this.parts;
    const waitMs = this.ledger.size < largeSet ? 0 : this.shownAt + options.coalesceMs - clock.now();
    if (waitMs <= 0 || this.trusting) return this.show();
    this.coalesceTimer = clock.setBackgroundTimer(() => {
      this.coalesceTimer = undefined;
      this.run();
    }, waitMs);
    return undefined;
  }

  private *show(): Steps {
    const { ledger } = this;
    const trusting = this.trusting || !this.parts.options.holds;
    this.isDue = false;
    this.trusting = false;
    const { clock, options } = this.parts;
    const peak = this.peak.since(clock.now() - options.holdMs);
    const change = yield* ledger.settle((key) => trusting || this.wasRefused(key), peak);
    this.peak.excuse(change.excused);
    this.peak.add(clock.now(), ledger.serving);
    this.watchHeld(change.holdsMore);
    if (this.isAbsent && ledger.heldCount === 0) {
      this.isShown = false;
      this.parts.sink.absent(this.version);
    } else if (!this.isShown || change.put.length + change.removed.length > 0) yield* this.handOn(change);
    // Batches are counted to where they end.
    this.shownAt = this.parts.clock.now();
    this.parts.changed();
  }

  /** What is new comes first, so that the set is at no time smaller than before and after. */
  private *handOn({ put, removed }: ShownChange): Steps {
    const { sink } = this.parts;
    for (let start = 0; start === 0 || start < put.length; start += batch) {
      const some = put.slice(start, start + batch);
      const last = start + batch >= put.length;
      if (this.isShown) void sink.set({ put: some, removed: last ? removed : [] }, this.version);
      else void sink.set({ full: some }, this.version);
      this.isShown = true;
      yield;
    }
  }

  /** What is held is held for a time, counted from the last that was added to it. */
  private watchHeld(holdsMore: boolean): void {
    const { clock, options, name, sink } = this.parts;
    const { heldCount, size } = this.ledger;
    if (heldCount === 0) {
      this.heldSince = Number.POSITIVE_INFINITY;
      this.stopTimer('holdTimer');
    } else if (holdsMore) {
      this.stopTimer('holdTimer');
      this.heldSince = Math.min(this.heldSince, clock.now());
      const message = `${name}: ${heldCount} of ${size} endpoints vanished at once; they are kept for ${options.holdMs} ms, or until one refuses a connection`;
      sink.failed(new MeshError('INMESH_REGISTRY', message));
      this.holdTimer = clock.setBackgroundTimer(() => {
        this.holdTimer = undefined;
        this.letGo();
      }, options.holdMs);
    }
  }

  private stopTimer(timer: 'holdTimer' | 'coalesceTimer'): void {
    if (this[timer] !== undefined) this.parts.clock.clearTimer(this[timer]);
    this[timer] = undefined;
  }
}
