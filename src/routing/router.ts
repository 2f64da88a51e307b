/**
 * Which service does a request go to? The first rule of its host that matches decides; a service without rules is its
 * own destination. Everything a request can be answered with is made when the router is: a call allocates nothing,
 * unless its authority is not written as in the document (with a port, or in upper case).
 */
import type { HeaderList } from '../core/call.ts';
import type { Random } from '../core/random.ts';
import { matches, type RouteMatch } from './match.ts';
import { Split } from './split.ts';

/** Where a rule sends its share of the traffic. */
export interface Destination {
  /** A service, in lower case. */
  readonly host: string;
  /** One of its subsets; all of its members when undefined. */
  readonly subset: string | undefined;
  /** The share of this destination among those of its rule, an integer ≥ 0. */
  readonly weight: number;
}

/** One rule of a host. */
export interface RouteRule {
  /** For people. */
  readonly name: string;
  /** One of these has to apply; when empty, the rule applies to every request. */
  readonly matches: readonly RouteMatch[];
  /** At least one has a weight above 0. */
  readonly destinations: readonly Destination[];
}

/** Where a request goes. The same object each time, so that what belongs to it can be kept in a map by it. */
export interface Routed<R extends RouteRule = RouteRule> {
  readonly host: string;
  readonly subset: string | undefined;
  /** The rule that decided; undefined for a service without rules. */
  readonly rule: R | undefined;
}

/** Why a request goes nowhere: the host is not known, or it has rules and none applies. */
export type Unrouted = 'unknown-host' | 'no-route';

interface Branch<R extends RouteRule> {
  readonly matches: readonly RouteMatch[];
  readonly split: Split<Routed<R>>;
}

/** The routes of a mesh. Immutable; a new configuration makes a new one. */
export class Router<R extends RouteRule = RouteRule> {
  private readonly branches = new Map<string, readonly Branch<R>[]>();
  private readonly random: Random;

  /**
   * @param services the hosts of the services, in lower case.
   * @param routes rules by host, in lower case, in order. A host need not be a service.
   */
  constructor(services: Iterable<string>, routes: ReadonlyMap<string, readonly R[]>, random: Random) {
    this.random = random;
    for (const host of services) {
      const itself: Routed<R> = Object.freeze({ host, subset: undefined, rule: undefined });
      this.branches.set(host, [{ matches: [], split: new Split([{ weight: 1, value: itself }]) }]);
    }
    for (const [host, rules] of routes) this.branches.set(host, rules.map(branchOf));
  }

  /**
   * Decides where a request goes.
   *
   * @param authority host, with or without a port; the port plays no part.
   * @param path with its query.
   */
  route(authority: string, method: string, path: string, headers: HeaderList): Routed<R> | Unrouted {
    const branches = this.branches.get(authority) ?? this.branches.get(hostOf(authority));
    if (branches === undefined) return 'unknown-host';
    for (const branch of branches) {
      if (applies(branch.matches, method, path, headers)) return branch.split.choose(this.random);
    }
    return 'no-route';
  }
}

/** The host of an authority in lower case: without its port, its brackets and the dot of a rooted name. */
export function hostOf(authority: string): string {
  if (authority.startsWith('[')) return authority.slice(1, authority.indexOf(']')).toLowerCase();
  const separator = authority.indexOf(':');
  const host = separator < 0 ? authority : authority.slice(0, separator);
  return (host.endsWith('.') ? host.slice(0, -1) : host).toLowerCase();
}

function branchOf<R extends RouteRule>(rule: R): Branch<R> {
  const parts = rule.destinations.map(({ host, subset, weight }) => ({
    weight,
    value: Object.freeze<Routed<R>>({ host, subset, rule }),
  }));
  return { matches: rule.matches, split: new Split(parts) };
}

function applies(alternatives: readonly RouteMatch[], method: string, path: string, headers: HeaderList): boolean {
  if (alternatives.length === 0) return true;
  for (const match of alternatives) {
    if (matches(match, method, path, headers)) return true;
  }
  return false;
}
