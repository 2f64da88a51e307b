/**
 * Who says that a member gets no calls for now? Whoever watches the members of a service, each by itself: outlier detection,
 * health checks, and who refused a connection. A member is healthy when none of them says otherwise; when it comes back it
 * warms up, where the service has that, unless it was away for a moment only. A change of the configuration replaces what it changed.
 */
import { Warmup } from '../balancing/warmup.ts';
import type { ServiceConfig } from '../config/mesh-config.ts';
import type { Attempt } from '../core/attempt.ts';
import { MeshError } from '../core/errors.ts';
import type { Filter } from '../core/filter.ts';
import type { Member } from '../core/member.ts';
import type { Reply } from '../core/reply.ts';
import { FailFast } from '../resilience/fail-fast/fail-fast.ts';
import { HealthChecker } from '../resilience/health-check/health-checker.ts';
import { OutlierDetector, type OutlierRecord } from '../resilience/outlier/outlier-detection.ts';
import { outlierFilter } from '../resilience/outlier/outlier-filter.ts';
import type { ServiceMetrics } from '../telemetry/service-metrics.ts';
import { hasLabels } from './has-labels.ts';
import { probe } from './health-probe.ts';
import type { LiveMember, UnhealthyReason } from './live-member.ts';
import type { MeshParts } from './mesh-parts.ts';
import { sentFilter } from './sent-filter.ts';

/** What watches over one service. */
export interface ServiceHealthContext {
  readonly host: string;
  readonly parts: MeshParts;
  readonly metrics: ServiceMetrics;
  /** The health or the weight of members has changed. */
  readonly onChange: () => void;
  /** A member refused a connection. */
  readonly onRefused: (member: LiveMember) => void;
}

/** Members that join within this time of the first are a first set too: large ones come in slices. */
const firstSetMs = 1_000;

/** Who refused connections for less than this is as warm as before: its process may have been busy, or its network. */
const coldAfterMs = 5_000;

/** The health of the members of one service. */
export class ServiceHealth {
  private readonly context: ServiceHealthContext;
  private config: ServiceConfig;
  private detector: OutlierDetector | undefined;
  private failFast: FailFast | undefined;
  private checker: HealthChecker | undefined;
  private warmup: Warmup | undefined;
  private readonly records = new WeakMap<Member, OutlierRecord>();
  private readonly members = new Set<LiveMember>();
  private readonly probes = new Set<Attempt>();
  /** When the first of a set joined, of which the others are no newcomers. */
  private firstJoinedAt = Number.NEGATIVE_INFINITY;

  constructor(config: ServiceConfig, context: ServiceHealthContext) {
    this.context = context;
    this.config = config;
    this.detector = this.makeDetector();
    this.failFast = this.makeFailFast();
    this.checker = this.makeChecker();
    this.warmup = this.makeWarmup();
  }

  /** The layers of an attempt that watch; new ones after {@link reconfigure}. */
  filters(): { outlier: Filter<Attempt, Reply> | undefined; sent: Filter<Attempt, Reply> } {
    const { detector, failFast } = this;
    const { clock } = this.context.parts;
    return {
      outlier: detector && outlierFilter({ clock, detector, recordOf: (member) => this.records.get(member) }),
      sent: sentFilter({
        refused: (member) => {
          this.context.onRefused(member as LiveMember);
          // An attempt may outlast a change of the configuration; what was replaced is closed.
          if (this.members.has(member as LiveMember)) this.failFast?.refused(member);
        },
        reached: failFast && ((member) => this.failFast?.reached(member)),
      }),
    };
  }

  /** Watches a member from now on. */
  join(member: LiveMember): void {
    const now = this.context.parts.clock.now();
    if (this.members.size === 0) this.firstJoinedAt = now;
    this.members.add(member);
    if (this.detector !== undefined) this.records.set(member, this.detector.join(member));
    this.checker?.join(member);
    if (now - this.firstJoinedAt >= firstSetMs) this.warmup?.begin(member);
  }

  /** Watches a member no longer. */
  leave(member: LiveMember): void {
    this.members.delete(member);
    const record = this.records.get(member);
    if (record !== undefined) this.detector?.leave(record);
    this.records.delete(member);
    this.failFast?.leave(member);
    this.checker?.leave(member);
    this.warmup?.end(member);
  }

  /** Takes a new configuration. Where that says the same of something, it goes on. */
  reconfigure(config: ServiceConfig): void {
    const before = this.config;
    this.config = config;
    const changed = (part: (config: ServiceConfig) => unknown) =>
      JSON.stringify(part(before)) !== JSON.stringify(part(config));
    if (changed(({ outlier }) => outlier)) this.replaceDetector();
    if (changed(({ failFast }) => failFast)) {
      this.failFast?.close();
      this.failFast = this.makeFailFast();
      this.unmarkAll('connect-failure');
    }
    if (changed(({ healthCheck }) => healthCheck)) this.replaceChecker();
    const { warmup } = config.loadBalancer;
    if (warmup === undefined || this.warmup === undefined) {
      this.warmup?.close();
      this.warmup = this.makeWarmup();
    } else if (changed(({ loadBalancer }) => loadBalancer.warmup)) this.warmup.configure(warmup);
  }

  /** Brings the gauges up to date. */
  count(): void {
    const { metrics } = this.context;
    metrics.endpointsEjected = this.detector?.ejectedCount ?? 0;
    metrics.endpointsUnhealthy = 0;
    for (const member of this.members) if (!member.healthy) metrics.endpointsUnhealthy++;
  }

  /** Stops everything. */
  close(): void {
    this.detector?.close();
    this.failFast?.close();
    this.checker?.close();
    this.warmup?.close();
    this.members.clear();
    for (const attempt of this.probes) attempt.cancel(new MeshError('INMESH_CLOSED', `${this.context.host}: closed`));
  }

  private markUnhealthy(member: LiveMember, reason: UnhealthyReason, cause: string): void {
    member.addReason(reason, { cause, since: this.context.parts.clock.wallTime() });
    if (!member.healthy) this.warmup?.end(member);
  }

  private unmark(member: LiveMember, reason: UnhealthyReason, isCold = true): void {
    member.removeReason(reason);
    if (member.healthy && isCold) this.warmup?.begin(member);
  }

  /** Nobody says this of a member any more. */
  private unmarkAll(reason: UnhealthyReason): void {
    for (const member of this.members) member.removeReason(reason);
  }

  private replaceDetector(): void {
    this.detector?.close();
    this.detector = this.makeDetector();
    this.unmarkAll('ejected');
    for (const member of this.members) {
      if (this.detector === undefined) this.records.delete(member);
      else this.records.set(member, this.detector.join(member));
    }
  }

  /** Other checks begin with the verdicts of those before: an endpoint that was down is not well because it is asked otherwise. */
  private replaceChecker(): void {
    const { healthCheck } = this.config;
    if (this.checker !== undefined && healthCheck !== undefined) {
      this.checker.configure(healthCheck);
      return;
    }
    this.checker?.close();
    this.checker = this.makeChecker();
    this.unmarkAll('health-check');
    for (const member of this.members) this.checker?.join(member);
  }

  private makeDetector(): OutlierDetector | undefined {
    const { host, parts, metrics, onChange } = this.context;
    const { outlier } = this.config;
    if (outlier === undefined) return undefined;
    return new OutlierDetector({
      service: host,
      clock: parts.clock,
      options: outlier,
      waiting: (member, startedBy, most) => (member as LiveMember).waitingSince(startedBy, most),
      groupOf: (member) => this.groupOf(member),
      onEject: (member, cause) => {
        metrics.ejections++;
        this.markUnhealthy(member as LiveMember, 'ejected', cause);
        onChange();
      },
      onUneject: (member) => {
        this.unmark(member as LiveMember, 'ejected');
        onChange();
      },
    });
  }

  private makeFailFast(): FailFast | undefined {
    if (!this.config.failFast) return undefined;
    const { parts, onChange } = this.context;
    const failFast = new FailFast({
      clock: parts.clock,
      random: parts.random,
      onAvoid: (member) => {
        this.markUnhealthy(member as LiveMember, 'connect-failure', 'connection refused');
        onChange();
      },
      onReturn: (members) => {
        for (const member of members) {
          this.unmark(member as LiveMember, 'connect-failure', failFast.refusingMs(member) >= coldAfterMs);
        }
        onChange();
      },
    });
    return failFast;
  }

  private makeChecker(): HealthChecker | undefined {
    const { host, parts, metrics, onChange } = this.context;
    const { healthCheck: options } = this.config;
    if (options === undefined) return undefined;
    const { clock, random } = parts;
    return new HealthChecker({
      service: host,
      clock,
      random,
      options,
      ask: (member, asked) => probe(member as LiveMember, host, asked, clock, this.probes),
      onFailure: () => {
        metrics.healthCheckFailures++;
      },
      onChange: (member, verdict) => {
        if (verdict === undefined) this.unmark(member as LiveMember, 'health-check');
        else this.markUnhealthy(member as LiveMember, 'health-check', verdict);
        onChange();
      },
    });
  }

  private makeWarmup(): Warmup | undefined {
    const { parts, onChange } = this.context;
    const { warmup } = this.config.loadBalancer;
    return warmup && new Warmup({ clock: parts.clock, options: warmup, onStep: onChange });
  }

  /** Another subset may have other work, and another region is farther away. */
  private groupOf({ endpoint }: Member): string {
    let group = endpoint.locality.split('/', 1)[0] as string;
    for (const [name, labels] of this.config.subsets) if (hasLabels(endpoint.labels, labels)) group += ` ${name}`;
    return group;
  }
}
