/**
 * What does the mesh keep for a named destination? Its members with all they have learnt, and the state that its calls
 * share: budget, breaker, limits, ejections. A change of the configuration replaces what it changed and nothing else.
 */
import { pickers } from '../balancing/pickers.ts';
import type { ServiceConfig } from '../config/mesh-config.ts';
import type { Call } from '../core/call.ts';
import { type Endpoint, endpointKey, sameEndpoint } from '../core/endpoint.ts';
import { events } from '../core/events.ts';
import { orCancelled } from '../core/or-cancelled.ts';
import type { Reply } from '../core/reply.ts';
import { attemptTimeoutFilter } from '../resilience/deadline/attempt-timeout-filter.ts';
import { RetryBudget } from '../resilience/retry/retry-budget.ts';
import { attemptTelemetryFilter } from '../telemetry/attempt-telemetry-filter.ts';
import type { ServiceMetrics } from '../telemetry/service-metrics.ts';
import type { Transport } from '../transport/endpoint-pool.ts';
import { attemptStack } from './attempt-stack.ts';
import { Cluster, type ClusterSettings, type ServiceLoad } from './cluster.ts';
import { headersFilter } from './headers-filter.ts';
import { LiveMember, type MemberObserver } from './live-member.ts';
import { loadFilter } from './load-filter.ts';
import { loadReportFilter } from './load-report-filter.ts';
import type { MeshParts } from './mesh-parts.ts';
import { pickerAt } from './picker-at.ts';
import { poolState } from './pool-state.ts';
import { ServiceGuards } from './service-guards.ts';
import { ServiceHealth } from './service-health.ts';
import type { ServiceTls } from './service-tls.ts';
import { sessionFilter } from './session-filter.ts';

/** A service of the mesh. */
export class Service implements MemberObserver {
  readonly host: string;
  config: ServiceConfig;
  readonly metrics: ServiceMetrics;
  /** Shared by retries and hedges of every route to this service. */
  budget: RetryBudget;
  /** What stands before its calls. */
  readonly guards: ServiceGuards;
  readonly load: ServiceLoad;
  /** {@link clusters}, for those who go round. */
  views: readonly Cluster[] = [];
  private firstView = 0;
  /** Settles when a registry has named the endpoints, or has taken too long to; undefined when they are known. */
  firstEndpoints: (() => Promise<void>) | undefined = undefined;
  /** Told of the key of a member that refused a connection. */
  onRefused: ((key: string) => void) | undefined = undefined;
  /** Told of changes of the members. */
  onEndpoints: (() => void) | undefined = undefined;
  private readonly parts: MeshParts;
  tls: ServiceTls | undefined;
  private readonly health: ServiceHealth;
  private readonly members = new Map<string, LiveMember>();
  private readonly clusters = new Map<string | undefined, Cluster>();
  /** Pools that finish what they have; {@link close} waits for them. */
  private readonly closing = new Map<Transport, Promise<void>>();

  constructor(config: ServiceConfig, tls: ServiceTls | undefined, parts: MeshParts) {
    this.host = config.host;
    this.config = config;
    this.parts = parts;
    this.tls = tls;
    this.metrics = parts.metrics.series({ service: config.host });
    this.load = { inFlight: 0, metrics: this.metrics, turn: { granting: false, onFree: () => this.notifyViews() } };
    this.metrics.readPool = () => poolState(this.members.values(), this.views);
    this.budget = new RetryBudget(config.retryBudget);
    this.guards = new ServiceGuards(config.host, config, parts, this.metrics);
    this.health = new ServiceHealth(config, {
      host: config.host,
      parts,
      metrics: this.metrics,
      onChange: () => this.rebuild(),
      onRefused: ({ key }) => this.onRefused?.(key),
    });
    tls?.onChange(() => this.renewTransports());
  }

  /** The cluster of all members, or of a subset; `undefined` when the service has no such subset. */
  cluster(subset: string | undefined): Cluster | undefined {
    const labels = subset === undefined ? undefined : this.config.subsets.get(subset);
    if (subset !== undefined && labels === undefined) return undefined;
    const known = this.clusters.get(subset);
    if (known !== undefined) return known;
    const name = subset === undefined ? this.host : `${this.host}/${subset}`;
    const cluster = new Cluster(name, labels, this.clusterSettings(), this.load, this.parts.clock, this.parts.random);
    this.clusters.set(subset, cluster);
    this.views = [...this.clusters.values()];
    cluster.rebuild([...this.members.values()]);
    return cluster;
  }

  /** Hands `call` on once the endpoints are known: at once, unless a registry has not named them yet. */
  whenKnown(call: Call, next: (call: Call) => Promise<Reply>): Promise<Reply> {
    const { firstEndpoints } = this;
    return firstEndpoints === undefined ? next(call) : orCancelled(call, firstEndpoints()).then(() => next(call));
  }

  /** The members, for operators. */
  get all(): Iterable<LiveMember> {
    return this.members.values();
  }

  /** Takes a new configuration of the same host. Members, their load and their ejections stay; who owns `tls` closes it. */
  reconfigure(config: ServiceConfig, tls: ServiceTls | undefined): void {
    const before = this.config;
    this.config = config;
    const changed = (part: (config: ServiceConfig) => unknown) =>
      JSON.stringify(part(before)) !== JSON.stringify(part(config));
    if (changed((c) => c.retryBudget)) this.budget = new RetryBudget(config.retryBudget);
    this.guards.reconfigure(before, config);
    this.health.reconfigure(config);
    if (tls !== this.tls) {
      this.tls = tls;
      tls?.onChange(() => this.renewTransports());
      this.renewTransports();
    } else if (changed((c) => c.transport)) this.renewTransports();
    if (changed((c) => c.loadBalancer.name)) this.renewLoads();
    this.configureClusters(before);
    this.rebuild();
  }

  /** Takes the endpoints anew. Those that stay keep their state; those that go finish what they have. */
  setEndpoints(endpoints: readonly Endpoint[]): void {
    const wanted = new Map(endpoints.map((endpoint) => [endpointKey(endpoint), endpoint]));
    const removed = [...this.members.keys()].filter((key) => !wanted.has(key));
    this.changeEndpoints([...wanted.values()], removed);
  }

  /** Takes what is new or changed, and lets go of what is gone. */
  changeEndpoints(put: readonly Endpoint[], removed: readonly string[]): void {
    let [added, left, changed] = [0, 0, 0];
    for (const key of removed) if (this.leave(key)) left++;
    for (const endpoint of put) {
      const member = this.members.get(endpointKey(endpoint));
      if (member === undefined) {
        added++;
        this.join(endpoint);
      } else if (!sameEndpoint(member.endpoint, endpoint)) {
        changed++;
        member.endpoint = endpoint;
      }
    }
    if (added + left + changed === 0) return;
    this.rebuild();
    this.onEndpoints?.();
    if (events.endpoints.hasSubscribers) {
      events.endpoints.publish({ service: this.host, added, removed: left, total: this.members.size });
    }
  }

  /** Other callers like us came or went, or moved: how many of our calls stay in our zone depends on theirs. */
  callersChanged(): void {
    if (this.config.locality?.zoneAware !== undefined) this.rebuild();
  }

  memberReleased(member: LiveMember): void {
    this.load.inFlight--;
    for (const cluster of this.views) cluster.memberReleased(member);
    this.notifyViews();
  }

  memberTaken(member: LiveMember): void {
    this.load.inFlight++;
    for (const cluster of this.views) cluster.memberTaken(member);
  }

  /** Lets in those who wait, beginning each time with another view. */
  private notifyViews(): void {
    const { views } = this;
    this.firstView++;
    for (let step = 0; step < views.length; step++) views[(this.firstView + step) % views.length]?.notify();
  }

  /** Finishes what is in flight, then closes the connections. */
  async close(): Promise<void> {
    this.health.close();
    this.tls?.close();
    for (const member of this.members.values()) this.retire(member.transport);
    this.members.clear();
    // Calls that wait, or would try again, are told that there is nobody.
    for (const cluster of this.clusters.values()) cluster.rebuild([]);
    while (this.closing.size > 0) await Promise.all(this.closing.values());
  }

  /** Breaks what is in flight. */
  async destroy(reason: Error): Promise<void> {
    const transports = [...this.members.values()].map((member) => member.transport);
    await Promise.all([...transports, ...this.closing.keys()].map((transport) => transport.destroy(reason)));
  }

  private join(endpoint: Endpoint): void {
    const { metric } = pickers[this.config.loadBalancer.name];
    const member = new LiveMember(endpoint, metric(), this.makeTransport(endpoint), this);
    this.members.set(member.key, member);
    this.health.join(member);
  }

  private leave(key: string): boolean {
    const member = this.members.get(key);
    if (member === undefined) return false;
    this.members.delete(key);
    this.health.leave(member);
    this.retire(member.transport);
    return true;
  }

  private rebuild(): void {
    const members = [...this.members.values()];
    for (const cluster of this.clusters.values()) cluster.rebuild(members);
    this.metrics.endpoints = members.length;
    this.health.count();
  }

  private makeTransport(endpoint: Endpoint): Transport {
    return this.parts.connect(endpoint, this.config, this.tls?.secure(endpoint, this.config));
  }

  /** Closes a pool once its requests are done; new ones go elsewhere already. */
  private retire(transport: Transport): void {
    const closed = transport.close().finally(() => this.closing.delete(transport));
    this.closing.set(transport, closed);
  }

  private renewTransports(): void {
    for (const member of this.members.values()) {
      const old = member.transport;
      member.transport = this.makeTransport(member.endpoint);
      this.retire(old);
    }
  }

  /** Another balancer measures other things: what the members knew of their load is void. */
  private renewLoads(): void {
    const { metric } = pickers[this.config.loadBalancer.name];
    for (const member of this.members.values()) member.load = metric();
  }

  private configureClusters({ subsets }: ServiceConfig): void {
    for (const [subset, cluster] of this.clusters) {
      const labels = subset === undefined ? undefined : this.config.subsets.get(subset);
      if (labels !== undefined) cluster.labels = labels;
      // A subset that is gone keeps its last labels for the calls that are on their way to it, until the next change.
      else if (subset !== undefined && !subsets.has(subset) && cluster.pending === 0) {
        this.clusters.delete(subset);
        this.views = [...this.clusters.values()];
        cluster.rebuild([]);
        continue;
      }
      cluster.configure(this.clusterSettings());
    }
  }

  private clusterSettings(): ClusterSettings {
    const { config, parts } = this;
    const { clock } = parts;
    const { readsReports } = pickers[config.loadBalancer.name];
    const { outlier, sent } = this.health.filters();
    return {
      picker: pickerAt(config, parts),
      limits: config.limits,
      stack: attemptStack({
        telemetry: attemptTelemetryFilter({ ...parts.telemetry(this.metrics), secure: config.tls !== undefined }),
        loadReport: readsReports && loadReportFilter(clock, () => this.views),
        load: loadFilter(clock),
        outlier,
        attemptTimeout: attemptTimeoutFilter(clock),
        headers: headersFilter(clock, parts.propagate),
        session: config.session && sessionFilter(config.session),
        sent,
      }),
    };
  }
}
