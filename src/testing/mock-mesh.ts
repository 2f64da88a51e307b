/**
 * How is code that calls other services tested without them? With a mesh whose services are functions of the test. It is
 * the real mesh above its connections: `fetch`, `request`, the dispatcher, views, commands, deadlines and fallbacks do
 * what they do in production; no socket is opened and no file is read.
 */
import { assembleMesh, type Mesh } from '../adapters/create-mesh.ts';
import type { MeshDocument } from '../config/schema.ts';
import type { CallOptions } from '../core/call-options.ts';
import { systemClock } from '../core/clock.ts';
import { MeshError } from '../core/errors.ts';
import type { MeshOptions } from '../mesh/create-engine.ts';
import { mockRegistry } from './mock-registry.ts';
import { type MockCall, type MockHandler, MockTransport } from './mock-transport.ts';

/** Options of {@link mockMesh}. */
export interface MockMeshOptions extends Pick<MeshOptions, 'clock' | 'random' | 'tracing'> {
  /** The name of the service under test. Default `test`. */
  service?: string;
  /**
   * What holds for every call unless it says otherwise. Default: no retries and no limits in time, so that a handler is
   * called as often as the code under test calls, and may be debugged.
   */
  defaults?: CallOptions;
  /** The subsets that every mocked service has, for code that calls one by name. Default none. */
  subsets?: readonly string[];
}

/** A mesh of mocked services. */
export interface MockMesh<S extends string = string> extends Mesh<S> {
  /** What the mocked services got, in order. */
  readonly calls: readonly MockCall[];
}

const exact: CallOptions = { retries: false, timeoutMs: false, headTimeoutMs: false, bodyIdleMs: false };

/** Nothing that a test did not ask for shall get between it and its handlers. */
const unlimited = {
  connectionPool: { tcp: { maxConnections: 1_000_000 }, http: { http2MaxRequests: 1_000_000 } },
  outlierDetection: { disabled: true },
  retryBudget: { minRetriesPerSecond: 1_000_000 },
  // A service may be called by http and by https; what is called is a function either way.
  tls: { mode: 'SIMPLE' },
} as const;

/**
 * Opens a mesh whose services are `handlers`.
 *
 * A call to a service without a handler fails with `INMESH_NOT_MOCKED`. With `mesh.install()` that holds for every host.
 *
 * ```ts
 * const mesh = await mockMesh({ reviews: () => [{ stars: 5 }], ratings: () => new Response(null, { status: 503 }) });
 * ```
 *
 * @throws MeshError `INMESH_CONFIG` for a name that no service can have, `INMESH_OPTION` for options outside their range.
 */
export async function mockMesh<S extends string>(
  handlers: { readonly [Name in S]?: MockHandler },
  options: MockMeshOptions = {},
): Promise<MockMesh<S>> {
  const { service = 'test', defaults, subsets = [], ...rest } = options;
  const calls: MockCall[] = [];
  const names = Object.keys(handlers);
  const byHost = new Map<string, MockHandler>();
  for (const name of names) byHost.set(name.toLowerCase(), handlers[name as S] as MockHandler);
  // No labels: the one endpoint is of every subset.
  const parts = subsets.map((name) => ({ name, labels: {} }));
  const document: MeshDocument = {
    services: names.map((host) => ({ host, trafficPolicy: unlimited, subsets: parts })),
  };
  const registry = mockRegistry(document);
  const clock = options.clock ?? systemClock;
  const mesh = await assembleMesh<S>(
    { ...rest, service, registry, defaults: { ...exact, ...defaults } },
    {
      connect: (_endpoint, { host }) => {
        const handler = byHost.get(host);
        return handler === undefined
          ? new MockTransport(notMocked(host, names), () => {}, clock)
          : new MockTransport(handler, (call) => calls.push(call), clock);
      },
    },
  );
  const { install } = mesh;
  // No request leaves the process, unless the test lets those pass that are not mocked.
  return Object.assign(mesh, { calls, install: (own = {}) => install({ unknown: 'refuse', ...own }) } as const);
}

function notMocked(service: string, names: readonly string[]): MockHandler {
  return () => {
    const mocked = names.length === 0 ? 'nothing is' : `mocked are ${names.join(', ')}`;
    throw new MeshError('INMESH_NOT_MOCKED', `${service} is not mocked; ${mocked}`, { service });
  };
}
