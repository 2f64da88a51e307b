/**
 * Which services do service-resolver and service-defaults describe? Each with its subsets, and with how it may be used.
 *
 * In Consul the settings of connections (`UpstreamConfig`) stand in the entry of the *caller*: only those of the service
 * that asks count here, and as its defaults can only be given to services that some entry names, that is reported.
 */
import {
  durationText,
  EntryProblem,
  type EntryProblems,
  type Fields,
  objects,
  otherEntryFields,
  otherFields,
  text,
} from './consul-entry.ts';
import { labelsOfFilter } from './consul-filter.ts';

/** A service-resolver that can be had. */
export interface Resolver {
  readonly entry: Fields;
  /** The labels of each subset. */
  readonly subsets: ReadonlyMap<string, Readonly<Record<string, string>>>;
  readonly trafficPolicy: Fields;
}

const balancers: Readonly<Record<string, string>> = {
  random: 'RANDOM',
  round_robin: 'ROUND_ROBIN',
  least_request: 'LEAST_REQUEST',
};

/**
 * Reads a service-resolver, its redirect and default subset aside.
 *
 * @param passing whether instances with a warning are left out everywhere, as {@link ConsulSettings.passing} says.
 * @throws EntryProblem for one that cannot be had.
 */
export function readResolver(entry: Fields, passing: boolean, problems: EntryProblems): Resolver {
  const known = [
    'DefaultSubset',
    'Subsets',
    'Redirect',
    'ConnectTimeout',
    'RequestTimeout',
    'LoadBalancer',
    'Failover',
  ];
  const [other] = otherEntryFields(entry, known);
  if (other !== undefined) throw new EntryProblem(`${other}: not supported`);
  // What would fail over fails: no request reaches an endpoint that it should not.
  if (Object.keys((entry.Failover ?? {}) as Fields).length > 0) problems.dropped(entry, 'Failover', 'not supported');
  const connectTimeout = durationText(entry.ConnectTimeout, 'ConnectTimeout');
  const timeout = durationText(entry.RequestTimeout, 'RequestTimeout');
  const { LeastRequestConfig, ...balancer } = (entry.LoadBalancer ?? {}) as Fields;
  for (const field of otherFields((LeastRequestConfig ?? {}) as Fields, [])) {
    problems.dropped(entry, `LoadBalancer.LeastRequestConfig.${field}`, 'not supported');
  }
  const simple = balancerOf(balancer);
  return {
    entry,
    subsets: readSubsets(entry, passing, problems),
    trafficPolicy: {
      ...(simple === undefined ? undefined : { loadBalancer: { simple } }),
      ...(connectTimeout === undefined ? undefined : { connectionPool: { tcp: { connectTimeout } } }),
      ...(timeout === undefined ? undefined : { timeout }),
    },
  };
}

function balancerOf({ Policy, ...rest }: Fields): string | undefined {
  const policy = text(Policy);
  const [other] = otherFields(rest, []);
  if (other !== undefined) throw new EntryProblem(`LoadBalancer.${other}: not supported`);
  if (policy === undefined) return undefined;
  const simple = balancers[policy];
  if (simple === undefined) throw new EntryProblem(`LoadBalancer.Policy: ${policy} is not supported`);
  return simple;
}

function readSubsets(entry: Fields, passing: boolean, problems: EntryProblems): Resolver['subsets'] {
  const subsets = new Map<string, Readonly<Record<string, string>>>();
  for (const [name, subset] of Object.entries((entry.Subsets ?? {}) as Record<string, Fields>)) {
    const place = `Subsets.${name}`;
    const labels = labelsOfFilter(text(subset.Filter) ?? '');
    const [other] = otherFields(subset, ['Filter', 'OnlyPassing']);
    if (name === '') problems.dropped(entry, 'Subsets', 'a subset has no name');
    else if (labels === undefined)
      problems.dropped(entry, `${place}.Filter`, 'cannot be said by labels; no such subset');
    else if (other !== undefined) problems.dropped(entry, `${place}.${other}`, 'not supported; no such subset');
    else if (subset.OnlyPassing === true && !passing) {
      problems.dropped(entry, `${place}.OnlyPassing`, 'needs passing=true in the address; no such subset');
    } else subsets.set(name, labels);
  }
  return subsets;
}

/** The traffic policy that follows from a service-defaults of the service itself: HTTP/2 where it speaks that. */
export function policyOfDefaults(entry: Fields | undefined): Fields {
  const isHttp2 = entry?.Protocol === 'http2' || entry?.Protocol === 'grpc';
  return isHttp2 ? { connectionPool: { http: { h2UpgradePolicy: 'UPGRADE' } } } : {};
}

/** What concerns only the proxy in front of the service, or documents it. */
const inboundFields = [
  ...[
    'Protocol',
    'UpstreamConfig',
    'Expose',
    'MaxInboundConnections',
    'LocalConnectTimeoutMs',
    'LocalRequestTimeoutMs',
  ],
  ...['BalanceInboundConnections', 'RateLimits', 'Mode', 'TransparentProxy', 'EnvoyExtensions', 'MutualTLSMode'],
];

/** Reports what is in a service-defaults and has no counterpart. */
export function reportDefaults(entry: Fields, problems: EntryProblems): void {
  for (const field of otherEntryFields(entry, inboundFields)) problems.dropped(entry, field, 'not supported');
}

/** How a caller uses the services that it calls, by its service-defaults. */
export class UpstreamPolicies {
  private readonly entry: Fields | undefined;
  private readonly problems: EntryProblems;

  /** @param entry of the caller; undefined where there is none. */
  constructor(entry: Fields | undefined, problems: EntryProblems) {
    this.entry = entry;
    this.problems = problems;
    if (entry === undefined || otherFields(this.config.Defaults, []).length === 0) return;
    problems.dropped(entry, 'UpstreamConfig.Defaults', 'holds only for services that some entry names');
  }

  /** The services that are named. */
  get names(): readonly string[] {
    return this.config.Overrides.map(({ Name }) => text(Name)).filter((name) => name !== undefined);
  }

  /** How `service` is used. */
  policy(service: string): Fields {
    const { entry } = this;
    if (entry === undefined) return {};
    const { Defaults, Overrides } = this.config;
    const own = Overrides.find(({ Name }) => text(Name)?.toLowerCase() === service.toLowerCase());
    return this.problems.attempt(entry, () => policyOfUpstream({ ...Defaults, ...own }, entry, this.problems)) ?? {};
  }

  private get config(): { Defaults: Fields; Overrides: readonly Fields[] } {
    const { Defaults, Overrides } = (this.entry?.UpstreamConfig ?? {}) as Fields;
    return { Defaults: (Defaults ?? {}) as Fields, Overrides: objects(Overrides) };
  }
}

function policyOfUpstream(config: Fields, entry: Fields, problems: EntryProblems): Fields {
  const place = 'UpstreamConfig';
  const { ConnectTimeoutMs, Limits, PassiveHealthCheck } = config;
  const known = ['Name', 'Namespace', 'Partition', 'Protocol', 'ConnectTimeoutMs', 'Limits', 'PassiveHealthCheck'];
  for (const field of otherFields(config, known)) problems.dropped(entry, `${place}.${field}`, 'not supported');
  const limits = (Limits ?? {}) as Fields;
  for (const field of otherFields(limits, ['MaxPendingRequests', 'MaxConcurrentRequests'])) {
    problems.dropped(entry, `${place}.Limits.${field}`, 'not supported');
  }
  const http = {
    ...count('http1MaxPendingRequests', limits.MaxPendingRequests),
    ...count('http2MaxRequests', limits.MaxConcurrentRequests),
  };
  const hasTimeout = typeof ConnectTimeoutMs === 'number' && ConnectTimeoutMs > 0;
  const tcp = hasTimeout ? { connectTimeout: `${ConnectTimeoutMs}ms` } : {};
  const connectionPool = { ...part('tcp', tcp), ...part('http', http) };
  const outlierDetection = outlierOf((PassiveHealthCheck ?? {}) as Fields, entry, problems);
  return { ...part('connectionPool', connectionPool), ...part('outlierDetection', outlierDetection) };
}

/** A field of a document that is an object, where that says something. */
function part(name: string, value: Fields): Fields {
  return Object.keys(value).length === 0 ? {} : { [name]: value };
}

function outlierOf(check: Fields, entry: Fields, problems: EntryProblems): Fields {
  const place = 'UpstreamConfig.PassiveHealthCheck';
  const known = ['Interval', 'MaxFailures', 'MaxEjectionPercent', 'BaseEjectionTime'];
  for (const field of otherFields(check, known)) problems.dropped(entry, `${place}.${field}`, 'not supported');
  const interval = durationText(check.Interval, `${place}.Interval`);
  const baseEjectionTime = durationText(check.BaseEjectionTime, `${place}.BaseEjectionTime`);
  return {
    ...(interval === undefined ? undefined : { interval }),
    ...(baseEjectionTime === undefined ? undefined : { baseEjectionTime }),
    // Envoy counts failures without a head as errors of the server.
    ...count('consecutive5xxErrors', check.MaxFailures),
    ...count('consecutiveLocalOriginFailures', check.MaxFailures),
    ...count('maxEjectionPercent', check.MaxEjectionPercent),
  };
}

/** A field of a document, where Consul's says something; 0 stands for its own default there. */
function count(name: string, value: unknown): Fields {
  return typeof value === 'number' && value > 0 ? { [name]: value } : {};
}
