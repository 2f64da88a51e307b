/**
 * What stands before the calls of a rule of a route? Its circuit breaker and its rate limit, where it has them. They go with
 * the rule: a reload that leaves it as it is keeps them.
 */
import type { RouteConfig } from '../config/mesh-config.ts';
import { RateLimiter } from '../resilience/rate-limit/rate-limiter.ts';
import type { BreakerPart, MeshParts } from './mesh-parts.ts';

/** The guards of all rules. */
export class RouteGuards {
  private readonly parts: MeshParts;
  /** By service, host, rule and settings. */
  private readonly breakers = new Map<string, BreakerPart>();
  /** By host, rule and settings: what a rule sends to several services is one stream. */
  private readonly rateLimits = new Map<string, RateLimiter>();
  /** The first host of each rule: names of rules need not be unique. */
  private hosts = new Map<RouteConfig, string>();

  constructor(parts: MeshParts) {
    this.parts = parts;
  }

  /** Takes the routes that hold from now on, and forgets the guards of rules that are gone. */
  takeRoutes(routes: ReadonlyMap<string, readonly RouteConfig[]>): void {
    const hosts = new Map<RouteConfig, string>();
    for (const [host, rules] of routes) for (const rule of rules) if (!hosts.has(rule)) hosts.set(rule, host);
    this.hosts = hosts;
    const kept = new Set<string>();
    for (const rule of hosts.keys()) {
      for (const { host } of rule.destinations) kept.add(this.breakerKey(host, rule));
      kept.add(this.rateLimitKey(rule));
    }
    for (const guards of [this.breakers, this.rateLimits]) {
      for (const key of guards.keys()) if (!kept.has(key)) guards.delete(key);
    }
  }

  /** Of the calls of `rule` to `service`. */
  breaker(service: string, rule: RouteConfig): BreakerPart | undefined {
    if (rule.circuitBreaker === undefined) return undefined;
    const key = this.breakerKey(service, rule);
    let breaker = this.breakers.get(key);
    if (breaker === undefined) {
      const series = this.parts.metrics.series({ service, route: rule.name });
      breaker = this.parts.breaker(service, rule.name, rule.circuitBreaker, series);
      this.breakers.set(key, breaker);
    }
    return breaker;
  }

  /** Of the calls of `rule`, wherever they go. */
  rateLimit(rule: RouteConfig): RateLimiter | undefined {
    if (rule.rateLimit === undefined) return undefined;
    const key = this.rateLimitKey(rule);
    let limiter = this.rateLimits.get(key);
    if (limiter === undefined) {
      limiter = new RateLimiter(rule.rateLimit, this.parts.clock.now());
      this.rateLimits.set(key, limiter);
    }
    return limiter;
  }

  private breakerKey(service: string, rule: RouteConfig): string {
    return JSON.stringify([service, this.hosts.get(rule), rule.name, rule.circuitBreaker]);
  }

  private rateLimitKey(rule: RouteConfig): string {
    return JSON.stringify([this.hosts.get(rule), rule.name, rule.rateLimit]);
  }
}
