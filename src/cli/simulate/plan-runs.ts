/**
 * What does a command line of `inmesh simulate` ask for? The documents, what happens to them, and under what load.
 */
import { compile } from '../../config/compile.ts';
import { parseDuration } from '../../config/duration.ts';
import { parseDocument } from '../../config/parse-document.ts';
import { ProblemList } from '../../config/problem-list.ts';
import type { MeshDocument } from '../../config/schema.ts';
import { readDocuments } from '../../discovery/file/document-files.ts';
import type { RunOptions } from './run-scenario.ts';
import { type ScenarioName, type Setting, scenarioNames, scenarios } from './scenarios.ts';
import { joinDocuments, simulatedDocument } from './simulated-document.ts';

/** The options of the command line. What each is for is said in {@link SimulateArguments}. */
export const simulateOptions = {
  scenario: { type: 'string' },
  against: { type: 'string' },
  service: { type: 'string' },
  url: { type: 'string' },
  locality: { type: 'string' },
  method: { type: 'string' },
  rps: { type: 'string' },
  duration: { type: 'string' },
  latency: { type: 'string' },
  concurrency: { type: 'string' },
  slow: { type: 'string' },
  endpoints: { type: 'string' },
  seed: { type: 'string' },
  svg: { type: 'string' },
  html: { type: 'string' },
} as const;

/** As given on the command line; undefined where nothing is. */
export interface SimulateArguments {
  /** Names separated by commas, or `all`. */
  readonly scenario?: string | undefined;
  /** A file or folder to compare with. */
  readonly against?: string | undefined;
  /** Default: the first of the document. */
  readonly service?: string | undefined;
  /** Default: `/` of the service. */
  readonly url?: string | undefined;
  /** Where the callers are. Default: where the first endpoint of the service is. */
  readonly locality?: string | undefined;
  /** Default GET. */
  readonly method?: string | undefined;
  /** Calls a second. Default: half of what the endpoints can do. */
  readonly rps?: string | undefined;
  /** Default 60s; the scenario lasts for the middle half of it. */
  readonly duration?: string | undefined;
  /** The median answer of an endpoint. Default 50ms. */
  readonly latency?: string | undefined;
  /** How many requests an endpoint works on at once. Default: at most 8, so that all do about 500 a second. */
  readonly concurrency?: string | undefined;
  /** An answer that takes longer is no success. Default: none is too slow. */
  readonly slow?: string | undefined;
  /** Of services whose endpoints only a registry knows. Default 5. */
  readonly endpoints?: string | undefined;
  /** Default 1. */
  readonly seed?: string | undefined;
  /** Files to write. */
  readonly svg?: string | undefined;
  readonly html?: string | undefined;
}

/** What is called without a body. */
const methods = ['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'POST', 'PATCH'] as const;

/** The longest run and the greatest load: what a machine simulates in minutes. */
const [minDurationMs, maxDurationMs] = [1, 3_600_000];
const maxCallsPerSecond = 100_000;
const maxConcurrency = 10_000;
const maxEndpoints = 1_000;

/** What a service has whose endpoints a registry names. */
const usualEndpoints = 5;

const usualConcurrency = 8;
const usualCallsPerSecond = 500;

/** One document, ready to be run in any scenario. */
export interface Plan {
  readonly name: string;
  readonly options: Omit<RunOptions, 'scenario'>;
}

/**
 * Reads the documents and the options.
 *
 * @throws Error that says what is wrong, and what is allowed.
 */
export async function planRuns(
  paths: readonly string[],
  given: SimulateArguments,
): Promise<{ readonly scenarios: readonly ScenarioName[]; readonly documents: readonly Plan[] }> {
  const chosen = scenariosOf(given.scenario);
  const document = await load(paths);
  const service = serviceOf(document, given.service);
  const first = planOf(paths.join(' '), document, service, given);
  const documents: Plan[] = [first];
  if (given.against !== undefined) {
    const other = await load([given.against]);
    documents.push(planOf(given.against, other, serviceOf(other, service), given));
  }
  return { scenarios: chosen, documents };
}

function scenariosOf(given: string | undefined): readonly ScenarioName[] {
  const allowed = Object.entries(scenarios)
    .map(([name, { summary }]) => `  ${name}: ${summary}`)
    .join('\n');
  if (given === undefined) throw new Error(`which scenario? --scenario all, or some of\n${allowed}`);
  if (given === 'all') return scenarioNames;
  return given.split(',').map((name) => {
    const found = scenarioNames.find((one) => one === name.trim());
    if (found === undefined) throw new Error(`unknown scenario ${name}; allowed are all, or some of\n${allowed}`);
    return found;
  });
}

async function load(paths: readonly string[]): Promise<MeshDocument> {
  const raw = await readDocuments(paths);
  const result = await compile(raw);
  if (!result.ok) throw new Error(result.problems.join('\n'));
  const problems = new ProblemList();
  const sources = await Promise.all(raw.map((one) => parseDocument(one, problems)));
  return joinDocuments(sources.map((source) => source?.value as MeshDocument));
}

function serviceOf({ services = [] }: MeshDocument, wanted: string | undefined): string {
  const hosts = services.map(({ host }) => host.toLowerCase());
  const [first] = hosts;
  if (first === undefined) throw new Error('the document has no services');
  if (wanted === undefined) return first;
  if (hosts.includes(wanted.toLowerCase())) return wanted.toLowerCase();
  throw new Error(`no service ${wanted}; there are ${hosts.join(', ')}`);
}

function planOf(name: string, given: MeshDocument, service: string, options: SimulateArguments): Plan {
  const document = simulatedDocument(given, count('--endpoints', options.endpoints, maxEndpoints) ?? usualEndpoints);
  const { endpoints = [], port } = document.services?.find(({ host }) => host.toLowerCase() === service) ?? {};
  const latencyMs = time('--latency', options.latency) ?? 50;
  const fitting = Math.floor((usualCallsPerSecond * latencyMs) / 1_000 / endpoints.length);
  const concurrency =
    count('--concurrency', options.concurrency, maxConcurrency) ?? Math.min(usualConcurrency, Math.max(1, fitting));
  const durationMs = time('--duration', options.duration) ?? 60_000;
  const setting: Setting = {
    endpoints: endpoints.map(({ address, locality = '' }) => ({ address, locality })),
    latencyMs,
    concurrency,
    fromMs: durationMs / 4,
    untilMs: (3 * durationMs) / 4,
  };
  const capacity = (1_000 * concurrency * endpoints.length) / latencyMs;
  return {
    name,
    options: {
      document,
      service,
      setting,
      url: urlOf(options.url, document) ?? `http://${service}${port === undefined ? '' : `:${port}`}/`,
      locality: options.locality ?? endpoints[0]?.locality ?? '',
      method: methodOf(options.method),
      callsPerSecond: count('--rps', options.rps, maxCallsPerSecond) ?? Math.min(maxCallsPerSecond, capacity / 2),
      durationMs,
      slowMs: time('--slow', options.slow) ?? Number.POSITIVE_INFINITY,
      seed: count('--seed', options.seed, Number.MAX_SAFE_INTEGER) ?? 1,
    },
  };
}

function count(name: string, text: string | undefined, most: number): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= most) return value;
  throw new Error(`${name} is ${text}; allowed are 1–${most}`);
}

function time(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = parseDuration(text);
  if (value !== undefined && value >= minDurationMs && value <= maxDurationMs) return value;
  throw new Error(`${name} is ${text}; allowed are durations from 1ms to 1h, such as 500ms or 60s`);
}

/** A URL that the document knows. */
function urlOf(text: string | undefined, { services = [], routes = [] }: MeshDocument): string | undefined {
  if (text === undefined) return undefined;
  const hosts = [...services.map(({ host }) => host), ...routes.flatMap((route) => route.hosts)];
  const { protocol, hostname } = URL.canParse(text) ? new URL(text) : { protocol: '', hostname: '' };
  if (protocol === 'http:' && hosts.some((host) => host.toLowerCase() === hostname)) return text;
  throw new Error(`--url is ${text}; allowed are http URLs of ${[...new Set(hosts)].join(', ')}`);
}

function methodOf(text = 'GET'): string {
  const method = text.toUpperCase();
  if ((methods as readonly string[]).includes(method)) return method;
  throw new Error(`--method is ${text}; allowed are ${methods.join(', ')}`);
}
