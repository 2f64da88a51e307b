/**
 * How is a whole mesh run in virtual time? As it is: the real mesh, on a clock that a test moves, with randomness from a
 * seed and connections to fake endpoints. A second run with the same seed does the same to the letter, so a failure is
 * repeated by its seed.
 */
import { assembleMesh, type Mesh } from '../adapters/create-mesh.ts';
import type { MeshRequestOptions } from '../adapters/request.ts';
import type { MeshRequestResult } from '../adapters/request-result.ts';
import { undiciOverrides } from '../adapters/undici-overrides.ts';
import type { MeshDocument } from '../config/schema.ts';
import type { CallOptions } from '../core/call-options.ts';
import { makeEndpoint, parseAddress } from '../core/endpoint.ts';
import { MeshError } from '../core/errors.ts';
import { seededRandom } from '../core/random.ts';
import { MemoryRegistry } from '../discovery/memory-registry.ts';
import type { Verdict } from '../discovery/registry.ts';
import { toHeaderList } from '../http/header-list.ts';
import { isIdempotent } from '../http/method.ts';
import { outlierDefaults } from '../resilience/outlier/outlier-options.ts';
import { type RetryBudgetOptions, retryBudgetDefaults } from '../resilience/retry/retry-budget.ts';
import {
  callsThatDoNotEnd,
  callsThatDoNotSettleOnce,
  callsThatSettleLate,
  ejectionsBeyondBounds,
  leftovers,
  retriesBeyondBudget,
  unsafeRepeats,
} from './checkers.ts';
import type { EndpointProfile } from './endpoint-profile.ts';
import { FakeNetwork, requestKeyHeader } from './fake-network.ts';
import { type CallFacts, type SimulatedCall, SimulationRecord } from './simulation-record.ts';
import { VirtualClock } from './virtual-clock.ts';

/** Options of {@link simulateMesh}. */
export interface SimulationOptions {
  readonly document: MeshDocument;
  /** Any integer. Equal seeds give equal runs. */
  readonly seed: number;
  /** How endpoints behave, by `host:port`. */
  readonly endpoints?: Readonly<Record<string, EndpointProfile>>;
  /** How the others behave. Default: they answer 200 after 5 ms. */
  readonly defaultProfile?: EndpointProfile;
  /** As in `createMesh`. */
  readonly defaults?: CallOptions;
  /** As in `createMesh`. Default `simulation`. */
  readonly service?: string;
  /** As in `createMesh`. Default: unknown. */
  readonly locality?: string;
}

/** How far {@link Simulation.close} moves time at once, and how long it waits at most beyond its timeout, in ms. */
const closeStepMs = 250;
const closeGraceMs = 60_000;

/** The network draws from another sequence, so that a draw more in the mesh does not change the weather. */
const networkSeed = 0x9e3779b9;

/**
 * Opens a mesh in virtual time.
 *
 * Its calls, made by {@link Simulation.request} or announced by {@link Simulation.begin}, are watched through channels of
 * the process: simulations that run at the same time need different seeds.
 *
 * @throws MeshError as `createMesh` does, for a document that is not valid.
 */
export async function simulateMesh<S extends string = string>(options: SimulationOptions): Promise<Simulation<S>> {
  const clock = new VirtualClock();
  const random = seededRandom(options.seed);
  const network = new FakeNetwork({
    clock,
    random: seededRandom(options.seed ^ networkSeed),
    ...(options.endpoints === undefined ? undefined : { endpoints: options.endpoints }),
    ...(options.defaultProfile === undefined ? undefined : { defaultProfile: options.defaultProfile }),
  });
  const registry = new MemoryRegistry(options.document, 'simulation');
  const { service = 'simulation', defaults = {}, locality } = options;
  const place = locality === undefined ? {} : { locality };
  const mesh = await assembleMesh<S>(
    { service, registry, defaults, clock, random, ...place },
    { connect: network.connect },
  );
  return new Simulation(mesh, options, clock, network, registry);
}

/** A mesh in virtual time, with everything that is around it. */
export class Simulation<S extends string = string> {
  readonly seed: number;
  readonly mesh: Mesh<S>;
  readonly clock: VirtualClock;
  readonly network: FakeNetwork;
  readonly record: SimulationRecord;
  private readonly registry: MemoryRegistry;
  /** In force, and about to be. */
  private documents: readonly MeshDocument[];
  /** By service, the widest that was in force. */
  private readonly budgets = new Map<string, RetryBudgetOptions>();
  private closed = false;
  private overdue = false;

  /** @internal */
  constructor(
    mesh: Mesh<S>,
    options: SimulationOptions,
    clock: VirtualClock,
    network: FakeNetwork,
    registry: MemoryRegistry,
  ) {
    this.mesh = mesh;
    this.seed = options.seed;
    this.documents = [options.document];
    this.noteBudgets(options.document);
    this.clock = clock;
    this.network = network;
    this.registry = registry;
    this.record = new SimulationRecord(clock, String(options.seed), () => this.sampleHealth());
  }

  /** As `mesh.request`, and watched: the request carries an `x-request-id`. */
  request(url: string, options: MeshRequestOptions = {}): Promise<MeshRequestResult> {
    const headers = toHeaderList(options.headers);
    const { method = 'GET' } = options;
    const mesh = undiciOverrides(options) ?? {};
    const call = this.begin({
      host: new URL(url).host,
      method,
      idempotent: isIdempotent(method, headers, mesh.idempotent),
      timeoutMs: mesh.timeoutMs || Number.POSITIVE_INFINITY,
    });
    const sent = { ...options, headers: [...headers, requestKeyHeader, call.key] };
    return (this.mesh as unknown as Mesh).request(url, sent).then(
      (result) => {
        call.head(result.statusCode);
        return result;
      },
      (error) => {
        call.fail(error);
        throw error;
      },
    );
  }

  /** Notes a call that is made in another way. It has to carry `call.key` as `x-request-id`, and to be reported to `call`. */
  begin(facts: CallFacts): SimulatedCall {
    return this.record.begin(facts);
  }

  /** Moves time on, see {@link VirtualClock.advance}. */
  async advance(ms: number): Promise<void> {
    await this.clock.advance(ms);
    this.sampleHealth();
  }

  /** Changes the document of the registry; resolves with what became of it. */
  async reconfigure(document: MeshDocument): Promise<Verdict> {
    this.documents = [...this.documents.slice(-1), document];
    const before = this.documents.slice(0, 1);
    const verdict = await this.registry.setDocument(document);
    this.documents = verdict.accepted ? [document] : before;
    if (verdict.accepted) this.noteBudgets(document);
    this.sampleHealth();
    return verdict;
  }

  /**
   * Lets the registry name the endpoints of a service, as `host:port`; `undefined` leaves them to the document again.
   *
   * @throws MeshError `INMESH_OPTION` for an address that is none.
   */
  async setEndpoints(service: S, addresses: readonly string[] | undefined): Promise<void> {
    const endpoints = addresses?.map((address) => {
      const parts = parseAddress(address);
      if (parts === undefined) throw new MeshError('INMESH_OPTION', `${address} is not an address such as host:port`);
      return makeEndpoint(parts);
    });
    await this.registry.setEndpoints(service, endpoints);
    this.sampleHealth();
  }

  /** Closes the mesh, and moves time on until that is done. */
  async close({ timeoutMs = 1_000 } = {}): Promise<void> {
    let done = false;
    const closing = this.mesh.close({ timeoutMs }).finally(() => {
      done = true;
    });
    await this.clock.advance(0);
    for (let waited = 0; !done && waited < timeoutMs + closeGraceMs; waited += closeStepMs) {
      await this.clock.advance(closeStepMs);
    }
    this.record.close();
    this.closed = true;
    this.overdue = !done;
    if (done) await closing;
  }

  /** What breaks a rule of `checkers.ts`. After {@link close} also whatever is left of the mesh. */
  problems(): string[] {
    const { record, network, clock } = this;
    const always = [
      ...callsThatSettleLate(record.calls),
      ...retriesBeyondBudget(record, network.received, (service) => this.budgets.get(service) ?? retryBudgetDefaults),
      ...unsafeRepeats(record.calls, network.received),
      ...ejectionsBeyondBounds(record.health),
    ];
    if (!this.closed) return always;
    return [
      ...always,
      ...(this.overdue ? ['the mesh did not close'] : []),
      ...callsThatDoNotSettleOnce(record.calls),
      ...callsThatDoNotEnd(record),
      ...leftovers(clock, record, network.attempts),
    ];
  }

  /** @throws Error with every one of {@link problems}, and the seed. */
  check(): void {
    const problems = this.problems();
    if (problems.length > 0) throw new Error(`seed ${this.seed}:\n${problems.join('\n')}`);
  }

  private sampleHealth(): void {
    for (const { host, endpoints } of this.mesh.status().services) {
      this.record.health.push({
        at: this.clock.now(),
        service: host,
        endpoints: endpoints.length,
        ejected: endpoints.filter(({ unhealthy }) => unhealthy.some(({ reason }) => reason === 'ejected')).length,
        maxEjectionPercent: Math.max(...this.documents.map((document) => maxEjectionPercent(document, host))),
      });
    }
  }

  private noteBudgets(document: MeshDocument): void {
    for (const { host, trafficPolicy } of document.services ?? []) {
      const known = this.budgets.get(host.toLowerCase()) ?? { percent: 0, minRetriesPerSecond: 0 };
      const { percent = retryBudgetDefaults.percent, minRetriesPerSecond = retryBudgetDefaults.minRetriesPerSecond } =
        trafficPolicy?.retryBudget ?? {};
      this.budgets.set(host.toLowerCase(), {
        percent: Math.max(known.percent, percent),
        minRetriesPerSecond: Math.max(known.minRetriesPerSecond, minRetriesPerSecond),
      });
    }
  }
}

function policyOf(document: MeshDocument | undefined, service: string) {
  return document?.services?.find(({ host }) => host.toLowerCase() === service)?.trafficPolicy;
}

function maxEjectionPercent(document: MeshDocument, service: string): number {
  const outlier = policyOf(document, service)?.outlierDetection;
  return outlier?.disabled ? 0 : (outlier?.maxEjectionPercent ?? outlierDefaults.maxEjectionPercent);
}
