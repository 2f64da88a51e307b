/**
 * What can go wrong with a service? Each scenario is a weather over its endpoints: well at first, then bad for a while,
 * then well again, so that one sees what a policy does about it, and whether it comes back.
 */
import type { EndpointProfile, Fault, FaultWindow } from '../../testing/endpoint-profile.ts';
import { latency } from '../../testing/latency.ts';

/** The service before anything happens. */
export interface Setting {
  readonly endpoints: readonly { readonly address: string; readonly locality: string }[];
  /** The median of an answer, in ms; a hundredth take three times as long or more. */
  readonly latencyMs: number;
  /** How many requests an endpoint works on at once; others wait. */
  readonly concurrency: number;
  /** When it begins, in ms. */
  readonly fromMs: number;
  /** When it is over, in ms. */
  readonly untilMs: number;
}

/** What a scenario does to a service. */
export interface Weather {
  /** By address. */
  readonly profiles: Readonly<Record<string, EndpointProfile>>;
  /** How many times the usual load comes while it lasts. */
  readonly load: number;
}

/** A scenario. */
export interface ScenarioKind {
  /** What happens, in a few words. */
  readonly summary: string;
  readonly weather: (setting: Setting) => Weather;
}

/** How much slower a slow endpoint is; how much slower all are in a spike; and one that has just been started. */
const slowFactor = 10;
const spikeFactor = 3;
const coldFactor = 3;

/** The load of an overload, as a multiple of the usual one, which is half of what the endpoints can do. */
const overload = 4;

/** How many answers of every endpoint fail in a retry storm, 0–1. */
const stormProbability = 0.7;

/** What the load balancer cannot know by: an error that is much faster than an answer. */
const fastErrorMs = 1;

/** The scenarios by name. */
export const scenarios = {
  steady: { summary: 'nothing happens', weather: (setting) => weather(setting, () => []) },
  'slow-endpoint': {
    summary: `one endpoint takes ${slowFactor} times as long`,
    weather: (setting) => slower(setting, slowFactor, (index) => index === 0),
  },
  'stalled-endpoint': {
    summary: 'one endpoint takes requests and never answers',
    weather: (setting) => faultOfFirst(setting, { kind: 'stall', ...window(setting) }),
  },
  'dead-endpoint': {
    summary: 'one endpoint refuses connections',
    weather: (setting) => faultOfFirst(setting, { kind: 'refuse-connection', ...window(setting) }),
  },
  sinkhole: {
    summary: 'one endpoint answers 503 at once',
    weather: (setting) => {
      const usual = usualLatency(setting);
      const fast = latency.overTime((now) => (lasts(setting, now) ? fastErrorMs : usual));
      const error: Fault = { kind: 'status', status: 503, ...window(setting) };
      return weather(
        setting,
        (index) => (index === 0 ? [error] : []),
        (index) => (index === 0 ? fast : usual),
      );
    },
  },
  overload: {
    summary: `${overload} times the usual load, twice of what the endpoints can do`,
    weather: (setting) => ({ ...weather(setting, () => []), load: overload }),
  },
  'latency-spike': {
    summary: `every endpoint takes ${spikeFactor} times as long`,
    weather: (setting) => slower(setting, spikeFactor, () => true),
  },
  'zone-loss': {
    summary: 'no endpoint of one locality can be connected to; without localities, of one third',
    weather: (setting) => {
      const lost = lostZone(setting);
      return weather(setting, (index) => (lost.has(index) ? [{ kind: 'connect-timeout', ...window(setting) }] : []));
    },
  },
  'retry-storm': {
    summary: `every endpoint answers ${stormProbability * 100}% of the requests with 503`,
    weather: (setting) =>
      weather(setting, () => [{ kind: 'status', status: 503, probability: stormProbability, ...window(setting) }]),
  },
  'rolling-deploy': {
    summary: `one endpoint after another refuses connections, then answers ${coldFactor} times slower for as long`,
    weather: rollingDeploy,
  },
} as const satisfies Record<string, ScenarioKind>;

/** The name of a scenario. */
export type ScenarioName = keyof typeof scenarios;

/** All of them. */
export const scenarioNames = Object.keys(scenarios) as readonly ScenarioName[];

/** Each endpoint has a turn: in its first half it is down, in the second it is slow. */
function rollingDeploy(setting: Setting): Weather {
  const { endpoints, fromMs, untilMs } = setting;
  const turnMs = (untilMs - fromMs) / endpoints.length;
  const upAt = (index: number) => fromMs + (index + 0.5) * turnMs;
  const [usual, cold] = [usualLatency(setting), usualLatency(setting, coldFactor)];
  return weather(
    setting,
    (index) => [{ kind: 'refuse-connection', fromMs: fromMs + index * turnMs, untilMs: upAt(index) }],
    (index) => latency.overTime((now) => (now >= upAt(index) && now < upAt(index) + turnMs / 2 ? cold : usual)),
  );
}

function slower(setting: Setting, factor: number, concerns: (index: number) => boolean): Weather {
  const [usual, slow] = [usualLatency(setting), usualLatency(setting, factor)];
  const changing = latency.overTime((now) => (lasts(setting, now) ? slow : usual));
  return weather(
    setting,
    () => [],
    (index) => (concerns(index) ? changing : usual),
  );
}

function faultOfFirst(setting: Setting, fault: Fault): Weather {
  return weather(setting, (index) => (index === 0 ? [fault] : []));
}

function weather(
  setting: Setting,
  faults: (index: number) => readonly Fault[],
  latencyOf: (index: number) => EndpointProfile['latency'] & {} = () => usualLatency(setting),
): Weather {
  // Servers finish what nobody waits for any more, as most do that do not look.
  const capacity = { concurrency: setting.concurrency, finishesAbandoned: true };
  const profiles = setting.endpoints.map(({ address }, index): [string, EndpointProfile] => [
    address,
    { latency: latencyOf(index), faults: faults(index), capacity },
  ]);
  return { profiles: Object.fromEntries(profiles), load: 1 };
}

function usualLatency({ latencyMs }: Setting, factor = 1) {
  return latency.logNormal(factor * latencyMs, 3 * factor * latencyMs);
}

function window({ fromMs, untilMs }: Setting): FaultWindow {
  return { fromMs, untilMs };
}

function lasts({ fromMs, untilMs }: Setting, now: number): boolean {
  return now >= fromMs && now < untilMs;
}

/** The endpoints of the locality of the first one; every third where that would be none, or all. */
function lostZone({ endpoints }: Setting): ReadonlySet<number> {
  const indexes = [...endpoints.keys()];
  const lost = indexes.filter((index) => endpoints[index]?.locality === endpoints[0]?.locality);
  const zoned = endpoints[0]?.locality !== '' && lost.length < endpoints.length;
  return new Set(zoned ? lost : indexes.filter((index) => index % 3 === 0));
}
