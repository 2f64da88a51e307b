/**
 * What does the mesh know of an endpoint? This: its load, its health, its connections. It survives a change of labels,
 * weight or locality, so that a reload of the configuration forgets nothing.
 */
import { type Endpoint, endpointKey } from '../core/endpoint.ts';
import type { LoadMetric, Member } from '../core/member.ts';
import type { Transport } from '../transport/endpoint-pool.ts';
import { type Waiting, WaitingList } from './waiting-list.ts';

/** Told when a member gets an attempt and when one leaves it, so that another that waits can take its place. */
export interface MemberObserver {
  memberTaken(member: LiveMember): void;
  memberReleased(member: LiveMember): void;
}

/** Who says that a member gets no calls: outlier detection, health checks, and who met a refused connection. */
export type UnhealthyReason = 'ejected' | 'health-check' | 'connect-failure';

/** What is said. */
export interface UnhealthyDetails {
  /** The criterion of the ejection; what the health check found. */
  readonly cause: string;
  /** In ms since the epoch. */
  readonly since: number;
}

const well: ReadonlyMap<UnhealthyReason, UnhealthyDetails> = new Map();

/** A member of a service. */
export class LiveMember implements Member {
  /** `host:port`; what the member is known by. */
  readonly key: string;
  endpoint: Endpoint;
  inFlight = 0;
  warmth = 1;
  /** Why it gets no calls; empty for a healthy member. */
  reasons: ReadonlyMap<UnhealthyReason, UnhealthyDetails> = well;
  load: LoadMetric;
  transport: Transport;
  private readonly waiting = new WaitingList();
  private readonly observer: MemberObserver;

  constructor(endpoint: Endpoint, load: LoadMetric, transport: Transport, observer: MemberObserver) {
    this.key = endpointKey(endpoint);
    this.endpoint = endpoint;
    this.load = load;
    this.transport = transport;
    this.observer = observer;
  }

  get oldestWaiting(): number {
    return this.waiting.oldest;
  }

  get healthy(): boolean {
    return this.reasons.size === 0;
  }

  /** Somebody says that it shall get no calls. */
  addReason(reason: UnhealthyReason, details: UnhealthyDetails): void {
    this.reasons = new Map([...this.reasons, [reason, details]]);
  }

  /** It is not said any more. */
  removeReason(reason: UnhealthyReason): void {
    if (!this.reasons.has(reason)) return;
    const left = [...this.reasons].filter(([other]) => other !== reason);
    this.reasons = left.length === 0 ? well : new Map(left);
  }

  /** See {@link WaitingList.startedBy}. */
  waitingSince(startedBy: number, most: number): readonly number[] {
    return this.waiting.startedBy(startedBy, most);
  }

  /** An attempt starts. */
  begin(startedAt: number): Waiting {
    this.inFlight++;
    this.observer.memberTaken(this);
    return this.waiting.add(startedAt);
  }

  /** An attempt has its head, or its error. */
  headed(entry: Waiting): void {
    this.waiting.remove(entry);
  }

  /** The body of an attempt has ended, or it had none. */
  release(): void {
    this.inFlight--;
    this.observer.memberReleased(this);
  }
}
