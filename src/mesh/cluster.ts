/**
 * How does a call become an attempt? Here: wait until a member has room, then pick one, then run the attempt stack.
 * The wait comes first, because a pick that is made before it is stale when it is used.
 *
 * A cluster is a view over the members of its service: all of them, or those of a subset. Views share the members, so
 * load and ejection are known once; each has a picker and a queue of its own, so that a full subset holds up nobody
 * who wants another.
 */
import type { Picker } from '../balancing/picker.ts';
import { Attempt } from '../core/attempt.ts';
import type { Call } from '../core/call.ts';
import type { Clock } from '../core/clock.ts';
import type { Labels } from '../core/endpoint.ts';
import { MeshError } from '../core/errors.ts';
import type { Member } from '../core/member.ts';
import type { Random } from '../core/random.ts';
import type { Reply } from '../core/reply.ts';
import type { Stack } from '../core/stack.ts';
import type { LimitOptions } from '../resilience/limit/limit-options.ts';
import { type GrantTurn, Limiter } from '../resilience/limit/limiter.ts';
import { hasLabels } from './has-labels.ts';
import type { LiveMember } from './live-member.ts';

/** What a cluster has from its service; replaced as a whole when the configuration changes. */
export interface ClusterSettings {
  readonly picker: Picker;
  readonly limits: LimitOptions;
  readonly stack: Stack<Attempt, Reply>;
}

/** What all clusters of a service share. */
export interface ServiceLoad {
  /** Attempts in flight at the whole service. */
  inFlight: number;
  /** Where refusals of its queues are counted. */
  readonly metrics: { pendingOverflows: number; pendingTimeouts: number };
  /** Views share the limits, so they let in one at a time. */
  readonly turn: GrantTurn;
}

/** The members of a service, or of one of its subsets. */
export class Cluster {
  /** For people: `reviews` or `reviews/v1`. */
  readonly name: string;
  /** The labels a member must have; undefined for all members. */
  labels: Labels | undefined;
  members: readonly LiveMember[] = [];
  private settings: ClusterSettings;
  private readonly limiter: Limiter;
  private readonly load: ServiceLoad;
  private readonly clock: Clock;
  private readonly random: Random;
  /** How many of the picker's candidates are at their cap; while it is below their number, one has room. */
  private full = 0;

  constructor(
    name: string,
    labels: Labels | undefined,
    settings: ClusterSettings,
    load: ServiceLoad,
    clock: Clock,
    random: Random,
  ) {
    this.name = name;
    this.labels = labels;
    this.settings = settings;
    this.load = load;
    this.clock = clock;
    this.random = random;
    this.limiter = new Limiter({
      service: name,
      maxPending: () => this.settings.limits.maxPending,
      canStart: () => this.hasRoom(),
      turn: load.turn,
      wait: {
        clock,
        maxMs: () => this.settings.limits.maxPendingMs,
        onTimeout: () => {
          load.metrics.pendingTimeouts++;
        },
      },
      onOverflow: () => {
        load.metrics.pendingOverflows++;
      },
    });
  }

  /** Attempts that wait for a member with room. */
  get pending(): number {
    return this.limiter.pending;
  }

  /** Takes new settings; what waits goes on waiting under them. */
  configure(settings: ClusterSettings): void {
    this.settings = settings;
    this.limiter.waitChanged();
    this.rebuild(this.members);
  }

  /** Takes the members of the service anew, or their changed health. */
  rebuild(all: readonly LiveMember[]): void {
    const { labels } = this;
    this.members = labels === undefined ? all : all.filter((member) => hasLabels(member.endpoint.labels, labels));
    this.settings.picker.rebuild(this.members);
    this.full = 0;
    for (const member of this.candidates) if (this.isFull(member)) this.full++;
    this.limiter.notify();
  }

  /** One try of `call`, at a member that this call has not tried while another is left. */
  readonly send = (call: Call): Promise<Reply> => {
    const wait = this.limiter.acquire(call);
    return wait === undefined ? this.attempt(call) : wait.then(() => this.attempt(call));
  };

  /** Whether a member may be picked that `call` has neither tried nor just been sent to. */
  hasOther(call: Call): boolean {
    const { lastMember, tried } = call;
    const { candidates, repeatCandidates = candidates } = this.settings.picker;
    return repeatCandidates.members.some((member) => member !== lastMember && !tried.has(member));
  }

  /** A member of the service has one attempt more. */
  memberTaken(member: LiveMember): void {
    if (member.inFlight === this.settings.limits.maxRequestsPerEndpoint && this.has(member)) this.full++;
    this.settings.picker.loadChanged?.(member, 1);
  }

  /** A member of the service has one attempt less. */
  memberReleased(member: LiveMember): void {
    if (member.inFlight === this.settings.limits.maxRequestsPerEndpoint - 1 && this.has(member)) this.full--;
    this.settings.picker.loadChanged?.(member, -1);
  }

  /** A member of the service has reported its load. */
  memberReported(member: Member, now: number): void {
    this.settings.picker.loadReported?.(member, now);
  }

  /** There may be room for one that waits here. */
  notify(): void {
    this.limiter.notify();
  }

  private attempt(call: Call): Promise<Reply> {
    if (call.cancelled) return Promise.reject(call.cancelReason);
    const now = this.clock.now();
    let member = this.settings.picker.pick(call, call.tried, now) as LiveMember | undefined;
    if (member === undefined) {
      return Promise.reject(
        new MeshError('INMESH_NO_ENDPOINT', `${this.name} has no endpoint`, { service: call.name }),
      );
    }
    if (this.isFull(member)) member = this.withRoom(member, call);
    call.lastMember = member;
    call.attempts++;
    const attempt = new Attempt(call, call.attempts, member, now);
    call.lastAttempt = attempt;
    return this.settings.stack.run(attempt);
  }

  /** Whom the picker chooses from. Room elsewhere is none: who drains, or is ejected, gets nothing because others are busy. */
  get candidates(): readonly LiveMember[] {
    return this.settings.picker.candidates.members as readonly LiveMember[];
  }

  private has(member: LiveMember): boolean {
    return this.candidates.includes(member);
  }

  private hasRoom(): boolean {
    const { length } = this.candidates;
    // Without members the pick fails, and says so at once.
    return length === 0 || (this.load.inFlight < this.settings.limits.maxRequests && this.full < length);
  }

  private isFull(member: LiveMember): boolean {
    return member.inFlight >= this.settings.limits.maxRequestsPerEndpoint;
  }

  /** The picked member is at its cap: the next one with room, from a random place; untried ones first. */
  private withRoom(picked: LiveMember, call: Call): LiveMember {
    const { candidates } = this;
    const start = Math.floor(this.random.next() * candidates.length);
    let second: LiveMember | undefined;
    for (let step = 0; step < candidates.length; step++) {
      const member = candidates[(start + step) % candidates.length] as LiveMember;
      if (this.isFull(member)) continue;
      if (!call.tried.has(member)) return member;
      second ??= member;
    }
    return second ?? picked;
  }
}
