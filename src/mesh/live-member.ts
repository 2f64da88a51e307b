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

/** A member of a service. */
export class LiveMember implements Member {
  /** `host:port`; what the member is known by. */
  readonly key: string;
  endpoint: Endpoint;
  inFlight = 0;
  /** Not ejected. */
  healthy = true;
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
