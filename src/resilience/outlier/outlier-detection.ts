/**
 * Why eject a member that fails, when retries hide it? Because every retry was first a failure: latency for the caller,
 * and load for the others. A member that fails several times in a row gets no calls for a while, each time a longer one
 * (Envoy's outlier detection; `source/common/upstream/outlier_detection_impl.cc`). Two things differ: members are ejected
 * at most down to one, whatever the percentage, and a member above the allowed number is looked at again with its next
 * failure, not after another full row of them.
 */
import type { Clock, Timer } from '../../core/clock.ts';
import { endpointKey } from '../../core/endpoint.ts';
import { events } from '../../core/events.ts';
import type { Member } from '../../core/member.ts';
import type { Outcome } from '../../core/outcome.ts';

/** When an endpoint is ejected, and for how long. Zero switches a criterion off. */
export interface OutlierOptions {
  /** This many failures in a row that are a status ≥ 500 or a local-origin failure. Default 5. */
  readonly consecutive5xxErrors: number;
  /** This many 502, 503 or 504 in a row. Default 0: off. */
  readonly consecutiveGatewayErrors: number;
  /** This many failures in a row without a head: refused, reset, timed out. Default 5. */
  readonly consecutiveLocalOriginFailures: number;
  /** How often ejections are looked at to be ended, in ms. Default 10,000. */
  readonly intervalMs: number;
  /** The first ejection lasts this long, the n-th in a row n times as long, in ms. Default 30,000. */
  readonly baseEjectionMs: number;
  /** No ejection lasts longer, in ms. Default 300,000. */
  readonly maxEjectionMs: number;
  /** At most this share of the members, in percent (one is always allowed, all never). 0 ejects none. Default 50. */
  readonly maxEjectionPercent: number;
}

export const outlierDefaults: OutlierOptions = Object.freeze({
  consecutive5xxErrors: 5,
  consecutiveGatewayErrors: 0,
  consecutiveLocalOriginFailures: 5,
  intervalMs: 10_000,
  baseEjectionMs: 30_000,
  maxEjectionMs: 300_000,
  maxEjectionPercent: 50,
});

/** Which criterion ejected a member. */
export type EjectionCause = 'consecutive-5xx' | 'consecutive-gateway-errors' | 'consecutive-local-origin-failures';

/** What the detector knows of one member. Opaque to others. */
export interface OutlierRecord {
  readonly member: Member;
  fiveXx: number;
  gatewayErrors: number;
  localOriginFailures: number;
  /** Ejections in a row; one is forgotten for each interval in which the member was not ejected. */
  ejections: number;
  /** When the current ejection is over, or the last one was. */
  endsAt: number;
  ejected: boolean;
}

/** What a detector is connected to. */
export interface OutlierContext {
  /** The service, for events. */
  readonly service: string;
  readonly clock: Clock;
  readonly options: OutlierOptions;
  /** The member shall get no calls; its ejection lasts for `ejectionMs`. */
  readonly onEject: (member: Member, cause: EjectionCause, ejectionMs: number) => void;
  /** Its ejection is over. Not called for members that left. */
  readonly onUneject: (member: Member) => void;
}

/** A timer may fire this much early (Node rounds to whole ms); an ejection is over then too. */
const timerSlackMs = 1;

/** Ejects and readmits the members of one service. */
export class OutlierDetector {
  private readonly context: OutlierContext;
  private readonly records = new Set<OutlierRecord>();
  private readonly ejected = new Set<OutlierRecord>();
  private timer: Timer | undefined = undefined;

  constructor(context: OutlierContext) {
    this.context = context;
  }

  /** How many members are ejected. */
  get ejectedCount(): number {
    return this.ejected.size;
  }

  /** Takes in a member; its record lives as long as the member, whatever views it is in. */
  join(member: Member): OutlierRecord {
    const record: OutlierRecord = {
      member,
      fiveXx: 0,
      gatewayErrors: 0,
      localOriginFailures: 0,
      ejections: 0,
      endsAt: 0,
      ejected: false,
    };
    this.records.add(record);
    return record;
  }

  /** Forgets a member that left. When too many of those who stay are ejected, the one that is next to return does. */
  leave(record: OutlierRecord): void {
    this.records.delete(record);
    this.ejected.delete(record);
    while (this.ejected.size > this.maxEjected()) {
      this.uneject([...this.ejected].reduce((first, other) => (other.endsAt < first.endsAt ? other : first)));
    }
    this.stopTimerWhenIdle();
  }

  /**
   * Takes in the result of an attempt.
   *
   * @param status of its head; `undefined` for a failure of local origin (no head, or a body that broke off).
   */
  onResult(record: OutlierRecord, outcome: Outcome, status: number | undefined, now: number): void {
    if (outcome.kind === 'success') {
      record.fiveXx = 0;
      record.gatewayErrors = 0;
      record.localOriginFailures = 0;
    } else if (outcome.kind === 'failure' && outcome.cause !== 'overflow' && outcome.cause !== 'other') {
      // Limits and errors of our own making say nothing about the member.
      this.onFailure(record, status, now);
    }
  }

  /** Ends all ejections without telling anybody, and stops the timer. */
  close(): void {
    for (const record of this.ejected) record.ejected = false;
    this.ejected.clear();
    this.records.clear();
    this.stopTimerWhenIdle();
  }

  private onFailure(record: OutlierRecord, status: number | undefined, now: number): void {
    const gateway = status === 502 || status === 503 || status === 504;
    record.fiveXx++;
    record.gatewayErrors = gateway ? record.gatewayErrors + 1 : 0;
    record.localOriginFailures = status === undefined ? record.localOriginFailures + 1 : 0;
    if (record.ejected || !this.records.has(record)) return;
    const cause = this.causeOf(record);
    if (cause !== undefined && this.ejected.size < this.maxEjected()) this.eject(record, cause, now);
  }

  private causeOf(record: OutlierRecord): EjectionCause | undefined {
    const { options } = this.context;
    if (reached(record.fiveXx, options.consecutive5xxErrors)) return 'consecutive-5xx';
    if (reached(record.gatewayErrors, options.consecutiveGatewayErrors)) return 'consecutive-gateway-errors';
    return reached(record.localOriginFailures, options.consecutiveLocalOriginFailures)
      ? 'consecutive-local-origin-failures'
      : undefined;
  }

  private maxEjected(): number {
    const { maxEjectionPercent } = this.context.options;
    if (maxEjectionPercent === 0) return 0;
    const share = Math.floor((this.records.size * maxEjectionPercent) / 100);
    return Math.max(0, Math.min(this.records.size - 1, Math.max(1, share)));
  }

  private eject(record: OutlierRecord, cause: EjectionCause, now: number): void {
    const { options, service, onEject } = this.context;
    const healthyIntervals = Math.max(0, Math.floor((now - record.endsAt) / options.intervalMs));
    record.ejections = Math.max(0, record.ejections - healthyIntervals) + 1;
    const ejectionMs = Math.min(record.ejections * options.baseEjectionMs, options.maxEjectionMs);
    record.endsAt = now + ejectionMs;
    record.ejected = true;
    this.ejected.add(record);
    this.startTimer();
    onEject(record.member, cause, ejectionMs);
    if (events.eject.hasSubscribers) {
      events.eject.publish({ service, endpoint: endpointKey(record.member.endpoint), cause, ejectionMs });
    }
  }

  private uneject(record: OutlierRecord): void {
    record.endsAt = this.context.clock.now();
    record.ejected = false;
    record.fiveXx = 0;
    record.gatewayErrors = 0;
    record.localOriginFailures = 0;
    this.ejected.delete(record);
    this.context.onUneject(record.member);
    if (events.uneject.hasSubscribers) {
      events.uneject.publish({ service: this.context.service, endpoint: endpointKey(record.member.endpoint) });
    }
  }

  private startTimer(): void {
    this.timer ??= this.context.clock.setBackgroundTimer(() => {
      this.timer = undefined;
      const now = this.context.clock.now() + timerSlackMs;
      for (const record of [...this.ejected]) if (record.endsAt <= now) this.uneject(record);
      if (this.ejected.size > 0) this.startTimer();
    }, this.context.options.intervalMs);
  }

  private stopTimerWhenIdle(): void {
    if (this.timer === undefined || this.ejected.size > 0) return;
    this.context.clock.clearTimer(this.timer);
    this.timer = undefined;
  }
}

/** A criterion of 0 is off. */
function reached(count: number, criterion: number): boolean {
  return criterion > 0 && count >= criterion;
}
