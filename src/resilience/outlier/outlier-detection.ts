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
import type { Latencies } from './latency-outlier.ts';
import { LatencyWatch } from './latency-watch.ts';
import { LatencyWindow } from './latency-window.ts';
import type { EjectionCause, OutlierOptions } from './outlier-options.ts';
import { failurePercentageOutliers, successRateOutliers } from './rate-outliers.ts';

/** What the detector knows of one member. Opaque to others. */
export interface OutlierRecord {
  readonly member: Member;
  fiveXx: number;
  gatewayErrors: number;
  localOriginFailures: number;
  /** Attempts of the interval, for rates. */
  attempts: number;
  /** Those that failed. */
  failures: number;
  /** Made with the first attempt. */
  latencies: LatencyWindow | undefined;
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
  /**
   * When attempts at a member began that have no head yet: those from `startedBy` or before, the latest first, at most
   * `most` of them.
   */
  readonly waiting: (member: Member, startedBy: number, most: number) => readonly number[];
  /** Members of equal groups do the same work, so that their latencies can be compared. */
  readonly groupOf: (member: Member) => string;
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
  private readonly hasRates: boolean;
  private readonly latencyWatch: LatencyWatch<OutlierRecord> | undefined;
  private timer: Timer | undefined = undefined;

  constructor(context: OutlierContext) {
    this.context = context;
    const { clock, options } = context;
    this.hasRates = options.successRate !== undefined || options.failurePercentage !== undefined;
    this.latencyWatch =
      options.latency &&
      new LatencyWatch({
        clock,
        options: options.latency,
        intervalMs: options.intervalMs,
        members: () => this.latencies(),
        eject: (record) => this.ejectWithin(record, 'latency'),
      });
  }

  /** Whether {@link onLatency} is to be told. */
  get watchesLatency(): boolean {
    return this.latencyWatch !== undefined;
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
      attempts: 0,
      failures: 0,
      latencies: undefined,
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
      if (this.hasRates) this.count(record, 0);
    } else if (outcome.kind === 'failure' && outcome.cause !== 'overflow' && outcome.cause !== 'other') {
      // Limits and errors of our own making say nothing about the member.
      this.onFailure(record, status, now);
    }
  }

  /**
   * Takes in how long an attempt took that has its head, or ended without.
   *
   * @param answered whether with a good head. Another end proves a member slow, never fast.
   */
  onLatency(record: OutlierRecord, startedAt: number, latencyMs: number, answered: boolean): void {
    const { latency } = this.context.options;
    if (latency === undefined || !(answered || latencyMs >= latency.minimumMs) || !this.records.has(record)) return;
    record.latencies ??= new LatencyWindow(latency.requestVolume);
    record.latencies.add(startedAt, latencyMs);
    this.latencyWatch?.wake();
  }

  /** Ends all ejections without telling anybody, and stops the timers. */
  close(): void {
    this.latencyWatch?.close();
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
    if (this.hasRates) this.count(record, 1);
    if (record.ejected || !this.records.has(record)) return;
    const cause = this.causeOf(record);
    if (cause !== undefined && this.ejected.size < this.maxEjected()) this.eject(record, cause, now);
  }

  private count(record: OutlierRecord, failures: 0 | 1): void {
    record.attempts++;
    record.failures += failures;
    if (this.timer === undefined && this.records.has(record)) this.startTimer();
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

  /** Ejects by what is looked at now and then, as far as more may be ejected. */
  private ejectWithin(record: OutlierRecord, cause: EjectionCause): boolean {
    if (record.ejected || this.ejected.size >= this.maxEjected()) return false;
    this.eject(record, cause, this.context.clock.now());
    return true;
  }

  /** Ejects by what the interval brought, and begins the next. */
  private judgeRates(): boolean {
    const { successRate, failurePercentage } = this.context.options;
    const present = [...this.records].filter(({ ejected }) => !ejected);
    const bySuccess = successRate === undefined ? [] : successRateOutliers(present, successRate);
    const byShare = failurePercentage === undefined ? [] : failurePercentageOutliers(present, failurePercentage);
    for (const record of bySuccess) this.ejectWithin(record, 'success-rate');
    for (const record of byShare) this.ejectWithin(record, 'failure-percentage');
    let any = false;
    for (const record of this.records) {
      any ||= record.attempts > 0;
      record.attempts = 0;
      record.failures = 0;
    }
    return any;
  }

  /** What is known of the latencies of those that are not ejected. */
  private latencies(): (Latencies & { readonly record: OutlierRecord })[] {
    const { clock, options, waiting, groupOf } = this.context;
    const most = options.latency?.requestVolume ?? 0;
    const since = clock.now() - options.intervalMs;
    return [...this.records].flatMap((record) => {
      if (record.ejected) return [];
      const ended = record.latencies?.endedSince(since) ?? [];
      const { member } = record;
      const waitingOf = (startedBy: number) => waiting(member, startedBy, most);
      return [{ record, group: groupOf(member), ended, waiting: waitingOf }];
    });
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
    record.attempts = 0;
    record.failures = 0;
    record.latencies?.clear();
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
      const isUsed = this.hasRates && this.judgeRates();
      if (isUsed || this.ejected.size > 0) this.startTimer();
    }, this.context.options.intervalMs);
  }

  private stopTimerWhenIdle(): void {
    if (this.timer === undefined || this.ejected.size > 0 || (this.hasRates && this.records.size > 0)) return;
    this.context.clock.clearTimer(this.timer);
    this.timer = undefined;
  }
}

/** A criterion of 0 is off. */
function reached(count: number, criterion: number): boolean {
  return criterion > 0 && count >= criterion;
}
