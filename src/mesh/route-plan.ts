/**
 * What happens to a call of one route? A plan says it: the options that hold, and the stack of filters, composed once
 * when the configuration arrives. A call whose overrides need a filter that the route lacks takes a variant of the
 * stack, composed at its first use and kept by the set of its features.
 */
import type { RouteConfig } from '../config/mesh-config.ts';
import type { Call } from '../core/call.ts';
import type { ResolvedCallOptions } from '../core/call-options.ts';
import type { Filter } from '../core/filter.ts';
import type { Reply } from '../core/reply.ts';
import { composeStack, type Stack } from '../core/stack.ts';
import type { Service } from './service.ts';

/** The layers that a plan composes; those that a call needs or not are picked by its options. */
export interface PlanFilters {
  readonly active: Filter;
  readonly policy: Filter;
  readonly telemetry: Filter;
  readonly fallback: Filter;
  readonly deadline: Filter;
  /** Of the mesh; undefined where it can have none. */
  readonly cache: (() => Filter) | undefined;
  /** Made for the first call that may share another. */
  readonly coalesce: () => Filter;
  /** Of the route and of the service, where they have one. */
  readonly rateLimits: readonly Filter[];
  /** Of the service, where it has one. */
  readonly admission: Filter | undefined;
  /** Of the service and of the route, where they have one that is not forced closed. */
  readonly breakers: readonly (Filter | undefined)[];
  /** Of the service, where it has one. */
  readonly adaptiveLimit: Filter | undefined;
  readonly retry: Filter;
  /** Made for the first call that is hedged. */
  readonly hedge: () => Filter;
}

/** What a plan is made of. */
export interface RoutePlanParts {
  readonly service: Service;
  readonly subset: string | undefined;
  readonly rule: RouteConfig | undefined;
  readonly options: ResolvedCallOptions;
  readonly filters: PlanFilters;
  /** Hands a call to its cluster. */
  readonly leaf: (call: Call) => Promise<Reply>;
}

/** The filters that depend on the options of a call, as bits. */
const features = { policy: 1, fallback: 2, hedge: 4, coalesce: 8, cache: 16 } as const;

/** The way of the calls of one route to one destination. */
export class RoutePlan {
  readonly service: Service;
  readonly subset: string | undefined;
  /** The rule that leads here; undefined for a service without rules. */
  readonly rule: RouteConfig | undefined;
  readonly options: ResolvedCallOptions;
  private readonly filters: PlanFilters;
  private readonly leaf: (call: Call) => Promise<Reply>;
  private readonly variants: (Stack<Call, Reply> | undefined)[] = [];

  constructor(parts: RoutePlanParts) {
    this.service = parts.service;
    this.subset = parts.subset;
    this.rule = parts.rule;
    this.options = parts.options;
    this.filters = parts.filters;
    this.leaf = parts.leaf;
  }

  /** Sends `call` through the stack that its options need. */
  run(call: Call): Promise<Reply> {
    return this.stackFor(call.options).run(call);
  }

  /** The stack for calls with `options`. */
  stackFor(options: ResolvedCallOptions): Stack<Call, Reply> {
    const key =
      (options.policy === undefined ? 0 : features.policy) |
      (options.fallback === undefined ? 0 : features.fallback) |
      (options.hedge ? features.hedge : 0) |
      (options.coalesce ? features.coalesce : 0) |
      (options.cache ? features.cache : 0);
    let stack = this.variants[key];
    if (stack === undefined) {
      stack = this.compose(key);
      this.variants[key] = stack;
    }
    return stack;
  }

  private compose(key: number): Stack<Call, Reply> {
    const { filters } = this;
    return composeStack<Call, Reply>(
      [
        // A mesh closes when nobody is left here.
        filters.active,
        // A policy of the caller's own is around everything that makes the call what it is.
        (key & features.policy) !== 0 && filters.policy,
        // Sees what the caller sees.
        filters.telemetry,
        // Answers whatever fails below, refusals of the breaker and timeouts included.
        (key & features.fallback) !== 0 && filters.fallback,
        // Covers queueing and every retry.
        filters.deadline,
        // What is kept needs neither a place nor a healthy service.
        (key & features.cache) !== 0 && filters.cache?.(),
        // Above everything that counts what is sent: who waits for another's answer sends nothing.
        (key & features.coalesce) !== 0 && filters.coalesce(),
        // Above all that learns from calls: what is refused here says nothing of the service.
        ...filters.rateLimits,
        // Above the breaker, which would take its refusals for failures of the service; above the retry, so that a call is
        // let in once.
        filters.admission,
        // Count calls, not attempts: three failed tries of one call are one bad experience.
        ...filters.breakers,
        // Below the breaker, for which a refusal for want of room is a failure too, as in Hystrix; above the retry, so that a
        // call is let in once.
        filters.adaptiveLimit,
        // Above the cluster, so that every attempt picks anew. There even without retries: the budget has to
        // know of the call, and an attempt that never left the process is moved to another member.
        filters.retry,
        // Below the retry, which sees two attempts at a time as one that failed or did not.
        (key & features.hedge) !== 0 && filters.hedge(),
      ],
      this.leaf,
    );
  }
}
