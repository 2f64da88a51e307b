/**
 * Which plan does a request take? The router decides on rule, service and subset; each of its answers has one plan,
 * made with the configuration. A planner is never changed: a new configuration makes a new one, and calls that are
 * under way keep theirs.
 */
import type { CallOverrides, MeshConfig, RouteConfig } from '../config/mesh-config.ts';
import type { HeaderList } from '../core/call.ts';
import { type ResolvedCallOptions, resolveCallOptions } from '../core/call-options.ts';
import { MeshError } from '../core/errors.ts';
import type { Filter } from '../core/filter.ts';
import { once } from '../core/once.ts';
import { replyOf } from '../http/reply-of.ts';
import { coalesceFilter } from '../resilience/coalesce/coalesce-filter.ts';
import { deadlineFilter } from '../resilience/deadline/deadline-filter.ts';
import { fallbackFilter } from '../resilience/fallback/fallback-filter.ts';
import { hedgeFilter } from '../resilience/hedge/hedge-filter.ts';
import { rateLimitFilter } from '../resilience/rate-limit/rate-limit-filter.ts';
import type { RateLimiter } from '../resilience/rate-limit/rate-limiter.ts';
import { fullJitterBackoff } from '../resilience/retry/backoff.ts';
import { retryFilter } from '../resilience/retry/retry-filter.ts';
import { type Routed, Router, type Unrouted } from '../routing/router.ts';
import { callTelemetryFilter } from '../telemetry/call-telemetry-filter.ts';
import type { ServiceMetrics } from '../telemetry/service-metrics.ts';
import type { MeshParts } from './mesh-parts.ts';
import { policyFilter } from './policy-filter.ts';
import type { RouteGuards } from './route-guards.ts';
import { RoutePlan } from './route-plan.ts';
import type { Service } from './service.ts';
import type { ServiceSet } from './service-set.ts';

/** The plans of one configuration. */
export class Planner {
  private readonly router: Router<RouteConfig>;
  private readonly services: ServiceSet;
  private readonly parts: MeshParts;
  private readonly defaults: ResolvedCallOptions;
  private readonly guards: RouteGuards;
  private readonly plans = new Map<Routed<RouteConfig>, RoutePlan>();
  private readonly discovered = new WeakMap<Service, RoutePlan>();
  private readonly subsetPlans = new Map<RouteConfig | undefined, Map<string, RoutePlan>>();

  constructor(
    config: MeshConfig,
    services: ServiceSet,
    parts: MeshParts,
    defaults: ResolvedCallOptions,
    guards: RouteGuards,
  ) {
    this.router = new Router(services.hosts(), config.routes, parts.random);
    this.services = services;
    this.parts = parts;
    this.defaults = defaults;
    this.guards = guards;
    guards.takeRoutes(config.routes);
  }

  /**
   * The plan of a request.
   *
   * @throws MeshError `INMESH_NO_ENDPOINT` when the service has no subset of that name.
   */
  plan(authority: string, method: string, path: string, headers: HeaderList): RoutePlan | Unrouted {
    const routed = this.router.route(authority, method, path, headers);
    if (typeof routed === 'string') return routed;
    let plan = this.plans.get(routed);
    if (plan === undefined) {
      plan = this.make(this.services.get(routed.host) as Service, routed.subset, routed.rule);
      this.plans.set(routed, plan);
    }
    return plan;
  }

  /** `plan` for another subset of the same service. */
  planForSubset(plan: RoutePlan, subset: string): RoutePlan {
    const key = `${plan.service.host} ${subset}`;
    let plans = this.subsetPlans.get(plan.rule);
    if (plans === undefined) {
      plans = new Map();
      this.subsetPlans.set(plan.rule, plans);
    }
    let found = plans.get(key);
    if (found === undefined) {
      found = this.make(plan.service, subset, plan.rule);
      plans.set(key, found);
    }
    return found;
  }

  /** The plan of a service that no document names. */
  planOf(service: Service): RoutePlan {
    let plan = this.discovered.get(service);
    if (plan === undefined) {
      plan = this.make(service, undefined, undefined);
      this.discovered.set(service, plan);
    }
    return plan;
  }

  private make(service: Service, subset: string | undefined, rule: RouteConfig | undefined): RoutePlan {
    const { host } = service;
    const cluster = service.cluster(subset);
    if (cluster === undefined) {
      throw new MeshError('INMESH_NO_ENDPOINT', `${host} has no subset ${String(subset)}`, { service: host });
    }
    const { clock, random, telemetry, responseCache: cache } = this.parts;
    const own = rule && this.guards.breaker(host, rule);
    // The route's is the narrower one, and may be open while the service's is closed.
    const breakers = [service.guards.breaker, own].filter((breaker) => breaker !== undefined);
    return new RoutePlan({
      service,
      subset,
      rule,
      options: this.optionsOf(service.config.call, rule?.call),
      filters: {
        active: this.parts.calls.filter,
        policy: policyFilter(clock),
        telemetry: callTelemetryFilter({ ...telemetry(service.metrics), secure: service.config.tls !== undefined }),
        fallback: fallbackFilter(replyOf),
        deadline: deadlineFilter(clock),
        cache: cache && once(() => cache().filter(scopeOf(service, subset, rule))),
        coalesce: once(() =>
          coalesceFilter({
            clock,
            onJoin: () => {
              service.metrics.coalescedCalls++;
            },
          }),
        ),
        rateLimits: this.rateLimitsOf(service, rule),
        admission: service.guards.admission,
        breakers: breakers.map((breaker) => breaker.filter),
        adaptiveLimit: service.guards.adaptiveLimit?.filter,
        retry: retryFilter({
          clock,
          random,
          budget: service.budget,
          hasOther: (call) => cluster.hasOther(call),
          suppressed: (call) => call.isRepeat || breakers.some((breaker) => breaker.refuses()),
          onBudgetExhausted: () => {
            service.metrics.retryBudgetExhausted++;
          },
        }),
        hedge: () =>
          hedgeFilter({
            clock,
            ...service.guards.hedging,
            shared: service.budget,
            hasOther: (call) => cluster.hasOther(call),
            onHedge: () => {
              service.metrics.hedges++;
            },
            onWin: () => {
              service.metrics.hedgesWon++;
            },
          }),
      },
      leaf: (call) => service.whenKnown(call, cluster.send),
    });
  }

  /** The route's first: what it refuses takes nothing from what the other callers of the service have. */
  private rateLimitsOf(service: Service, rule: RouteConfig | undefined): Filter[] {
    const { clock, metrics } = this.parts;
    const filters: Filter[] = [];
    const add = (limiter: RateLimiter | undefined, series: () => ServiceMetrics) => {
      if (limiter === undefined) return;
      const counts = series();
      const onRefuse = () => {
        counts.rateLimitRefusals++;
      };
      filters.push(rateLimitFilter({ clock, limiter, onRefuse }));
    };
    if (rule !== undefined) {
      add(this.guards.rateLimit(rule), () => metrics.series({ service: service.host, route: rule.name }));
    }
    add(service.guards.rateLimit, () => service.metrics);
    return filters;
  }

  private optionsOf(...layers: (CallOverrides | undefined)[]): ResolvedCallOptions {
    let options = this.defaults;
    for (const layer of layers) {
      if (layer === undefined) continue;
      options = resolveCallOptions(options, layer.options);
      if (layer.backoff !== undefined) {
        const backoff = fullJitterBackoff(this.parts.random, layer.backoff);
        options = Object.freeze({ ...options, retry: { ...options.retry, backoff } });
      }
    }
    return options;
  }
}

/** Replies of one version are no replies of another, nor are those of one destination those of a second. */
function scopeOf({ host }: Service, subset: string | undefined, rule: RouteConfig | undefined): string {
  return subset === undefined && rule === undefined ? '' : `${host}/${subset ?? ''}`;
}
