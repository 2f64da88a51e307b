/**
 * What is compared: the same request by each client. An arm without a mesh alternates between the two ports itself, so
 * that all arms spread their connections alike.
 */
import {
  bulkhead,
  ConsecutiveBreaker,
  circuitBreaker,
  handleAll,
  retry,
  TimeoutStrategy,
  timeout,
  wrap,
} from 'cockatiel';
import got from 'got';
import { createMesh, type Mesh } from 'inmesh';
import CircuitBreaker from 'opossum';
import { Histogram, Registry } from 'prom-client';
import { Agent, Dispatcher1Wrapper, fetch as undiciFetch, request as undiciRequest } from 'undici';
import { everything, type Policy, usual } from '../policies.ts';

/** One client. */
export interface Arm {
  readonly name: string;
  get(path: string): Promise<number>;
  post(path: string, body: Buffer): Promise<number>;
  close?(): Promise<void>;
}

/** Opens a mesh over the upstream, with its metrics attached to a registry of prom-client. */
export async function openMesh(ports: readonly number[], trafficPolicy = usual): Promise<Mesh> {
  const endpoints = ports.map((port) => ({ address: `127.0.0.1:${port}`, locality: 'eu/eu-1' }));
  const registry = { services: [{ host: 'upstream', endpoints, trafficPolicy }] };
  const mesh = await createMesh({ service: 'bench', registry, locality: 'eu/eu-1' });
  mesh.metrics.attach(new Registry());
  return mesh;
}

type FetchLike = (
  url: string,
  init?: RequestInit,
) => Promise<{ arrayBuffer(): Promise<ArrayBuffer>; text(): Promise<string> }>;

function fetchArm(name: string, call: FetchLike, base: () => string, close?: () => Promise<void>): Arm {
  return {
    name,
    get: async (path) =>
      path === '/mib'
        ? (await (await call(base() + path)).arrayBuffer()).byteLength
        : (await (await call(base() + path)).text()).length,
    post: async (path, body) =>
      (await (await call(base() + path, { method: 'POST', body: body as unknown as BodyInit })).text()).length,
    ...(close === undefined ? undefined : { close }),
  };
}

type BodyInit = NonNullable<RequestInit['body']>;
type RequestLike = (
  url: string,
  options?: object,
) => Promise<{ body: { text(): Promise<string>; bytes(): Promise<Uint8Array> } }>;

function requestArm(name: string, call: RequestLike, base: () => string, close?: () => Promise<void>): Arm {
  return {
    name,
    get: async (path) =>
      path === '/mib'
        ? (await (await call(base() + path)).body.bytes()).byteLength
        : (await (await call(base() + path)).body.text()).length,
    post: async (path, body) => (await (await call(base() + path, { method: 'POST', body })).body.text()).length,
    ...(close === undefined ? undefined : { close }),
  };
}

/** The arms, opened. */
export async function openArms(ports: readonly number[]): Promise<Arm[]> {
  let turn = 0;
  const direct = () => `http://127.0.0.1:${ports[turn++ % ports.length]}`;
  const logical = () => 'http://upstream';
  const open = (policy?: Policy) => openMesh(ports, policy);
  const [forRequest, forFetch, forUndici, forBuiltIn] = await Promise.all([open(), open(), open(), open()]);
  const [allForRequest, allForFetch] = await Promise.all([open(everything), open(everything)]);
  const guarded = guardedFetch();
  // undici 8 under the fetch of this Node, without a mesh: what a dispatcher costs by itself.
  const agent = new Dispatcher1Wrapper(new Agent());
  return [
    requestArm('undici.request', undiciRequest as unknown as RequestLike, direct),
    fetchArm('built-in fetch', fetch as FetchLike, direct),
    fetchArm('undici.fetch', undiciFetch as unknown as FetchLike, direct),
    requestArm('mesh.request', forRequest.request as unknown as RequestLike, logical, () => forRequest.close()),
    fetchArm('mesh.fetch', forFetch.fetch as FetchLike, logical, () => forFetch.close()),
    requestArm('mesh.request with everything on', allForRequest.request as unknown as RequestLike, logical, () =>
      allForRequest.close(),
    ),
    fetchArm('mesh.fetch with everything on', allForFetch.fetch as FetchLike, logical, () => allForFetch.close()),
    requestArm(
      'undici.request + mesh.dispatcher',
      ((url: string, options: object) =>
        undiciRequest(url, { ...options, dispatcher: forUndici.dispatcher })) as unknown as RequestLike,
      logical,
      () => forUndici.close(),
    ),
    fetchArm(
      'built-in fetch + mesh.dispatcher',
      (url, init) => fetch(url, { ...init, dispatcher: forBuiltIn.dispatcher } as RequestInit),
      logical,
      () => forBuiltIn.close(),
    ),
    fetchArm(
      'built-in fetch + undici Agent',
      (url, init) => fetch(url, { ...init, dispatcher: agent } as unknown as RequestInit),
      direct,
      () => agent.close(),
    ),
    fetchArm('built-in fetch + cockatiel + prom-client', guarded, direct),
    opossumArm(direct),
    gotArm(direct),
  ];
}

const decoder = new TextDecoder();

/** What is glued together by hand today. */
function guardedFetch(): FetchLike {
  const policy = wrap(
    retry(handleAll, { maxAttempts: 2 }),
    circuitBreaker(handleAll, { halfOpenAfter: 5_000, breaker: new ConsecutiveBreaker(5) }),
    bulkhead(1024, 1024),
    timeout(10_000, TimeoutStrategy.Aggressive),
  );
  const histogram = new Histogram({
    name: 'call_duration_seconds',
    help: 'Duration of calls.',
    labelNames: ['service', 'status'],
    registers: [new Registry()],
  });
  return async (url, init) => {
    const startedAt = performance.now();
    // The body is read inside, because cockatiel's timeout aborts its signal when the function returns.
    const { status, bytes } = await policy.execute(async ({ signal }) => {
      const response = await fetch(url, { ...init, signal });
      return { status: response.status, bytes: await response.arrayBuffer() };
    });
    histogram.observe({ service: 'upstream', status }, (performance.now() - startedAt) / 1000);
    return { arrayBuffer: async () => bytes, text: async () => decoder.decode(bytes) };
  };
}

function opossumArm(base: () => string): Arm {
  const breaker = new CircuitBreaker((url: string, options: object) => undiciRequest(url, options), {
    timeout: 10_000,
  });
  const call = (url: string, options: object = {}) => breaker.fire(url, options);
  return requestArm('opossum + undici.request', call as unknown as RequestLike, base, async () => breaker.shutdown());
}

function gotArm(base: () => string): Arm {
  return {
    name: 'got',
    get: async (path) =>
      path === '/mib' ? (await got(base() + path).buffer()).byteLength : (await got(base() + path).text()).length,
    post: async (path, body) => (await got.post(base() + path, { body }).text()).length,
  };
}
