/**
 * How do Consul's configuration entries become a mesh document? service-resolver and service-defaults as services with
 * subsets and traffic policies, service-splitter and service-router as routes. So a mesh that Consul's own tools
 * configure is understood as it is; what has no counterpart is told, entry by entry.
 */
import { Destinations } from './consul-destinations.ts';
import { type ConfigEntries, EntryProblems, type Fields, isHost } from './consul-entry.ts';
import { rulesOfRouter, ruleTo } from './consul-route-entries.ts';
import {
  policyOfDefaults,
  type Resolver,
  readResolver,
  reportDefaults,
  UpstreamPolicies,
} from './consul-service-entries.ts';

/** What decides how entries are read. */
export interface TranslationOptions {
  /** The service that calls; its service-defaults say how. Undefined for a tool. */
  readonly caller: string | undefined;
  /** Whether instances with a warning are left out. */
  readonly passing: boolean;
}

/** A document, and what could not be said by it. */
export interface Translation {
  /** `{ services, routes }`; undefined where no entry says anything. */
  readonly document: { readonly services: readonly Fields[]; readonly routes: readonly Fields[] } | undefined;
  /** Each names the entry, the field and what is wrong. */
  readonly problems: readonly string[];
}

type ByName = ReadonlyMap<string, Fields>;

/** Translates all entries of a data centre. */
export function translateEntries(entries: ConfigEntries, { caller, passing }: TranslationOptions): Translation {
  const problems = new EntryProblems();
  const [defaults, resolverEntries, splitters, routers] = (
    ['service-defaults', 'service-resolver', 'service-splitter', 'service-router'] as const
  ).map((kind) => byName(entries[kind], problems)) as [ByName, ByName, ByName, ByName];
  const resolvers = new Map<string, Resolver>();
  for (const [name, entry] of resolverEntries) {
    const resolver = problems.attempt(entry, () => readResolver(entry, passing, problems));
    if (resolver !== undefined) resolvers.set(name, resolver);
  }
  for (const entry of defaults.values()) reportDefaults(entry, problems);
  const destinations = new Destinations(resolvers, splitters, problems);
  const routes = new Map<string, readonly Fields[]>();
  for (const [name, entry] of new Map([...resolverEntries, ...splitters, ...routers])) {
    const router = routers.get(name);
    const rules =
      (router && problems.attempt(router, () => rulesOfRouter(router, destinations, problems))) ??
      problems.attempt(entry, () => plainRules(name, destinations));
    if (rules !== undefined && rules.length > 0) routes.set(name, rules);
  }
  const upstreams = new UpstreamPolicies(defaults.get(caller?.toLowerCase() ?? ''), problems);
  const named = [...hostsOf(routes), ...resolvers.keys(), ...defaults.keys(), ...upstreams.names];
  const hosts = [...new Set(named.map((name) => name.toLowerCase()))].filter(isHost).sort();
  if (hosts.length === 0) return { document: undefined, problems: problems.texts };
  const services = hosts.map((host) => {
    const resolver = resolvers.get(host);
    const policies = [upstreams.policy(host), policyOfDefaults(defaults.get(host)), resolver?.trafficPolicy ?? {}];
    return serviceOf(host, resolver, policies.reduce(merged));
  });
  const document = { services, routes: [...routes].map(([host, http]) => ({ hosts: [host], http })) };
  return { document, problems: problems.texts };
}

/** The rules of a service without a router; none where it is its own only destination. */
function plainRules(name: string, destinations: Destinations): readonly Fields[] {
  const ends = destinations.of(name, undefined);
  const [first] = ends;
  const isItself = ends.length === 1 && first?.service.toLowerCase() === name && first.subset === undefined;
  return isItself ? [] : [ruleTo(ends)];
}

function serviceOf(host: string, resolver: Resolver | undefined, trafficPolicy: Fields): Fields {
  const subsets = [...(resolver?.subsets ?? [])].map(([name, labels]) => ({ name, labels }));
  return {
    host,
    ...(subsets.length === 0 ? undefined : { subsets }),
    ...(Object.keys(trafficPolicy).length === 0 ? undefined : { trafficPolicy }),
  };
}

/** The hosts that routes are of and lead to. */
function hostsOf(routes: ReadonlyMap<string, readonly Fields[]>): string[] {
  const targets = [...routes.values()].flat().flatMap(({ route }) => route as { destination: { host: string } }[]);
  return [...routes.keys(), ...targets.map(({ destination }) => destination.host)];
}

/** By name in lower case; entries without a name that a host can have are reported. */
function byName(entries: readonly Fields[], problems: EntryProblems): ByName {
  const found = new Map<string, Fields>();
  for (const entry of entries) {
    const name = String(entry?.Name).toLowerCase();
    if (typeof entry?.Name === 'string' && isHost(name)) found.set(name, entry);
    else problems.dropped(entry ?? {}, 'Name', 'is no host name; the entry is left out');
  }
  return found;
}

/** Both, the second one's where they differ. */
function merged(first: Fields, second: Fields): Fields {
  const result: Record<string, unknown> = { ...first };
  for (const [name, value] of Object.entries(second)) {
    const before = result[name];
    const areObjects = typeof before === 'object' && typeof value === 'object' && before !== null && value !== null;
    result[name] = areObjects ? merged(before as Fields, value as Fields) : value;
  }
  return result;
}
