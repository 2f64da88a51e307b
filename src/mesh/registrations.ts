/**
 * Where can this process be reached? What it registers here, the registry tells to the others, until it is deregistered:
 * by the program, or when the mesh drains or closes.
 */
import { networkInterfaces } from 'node:os';
import type { Clock } from '../core/clock.ts';
import type { Endpoint, Labels } from '../core/endpoint.ts';
import { MeshError } from '../core/errors.ts';
import { readEndpoint } from '../discovery/read-endpoint.ts';
import type { HealthCheck, Registration } from '../discovery/registry.ts';
import type { SteadyRegistry } from '../discovery/steady-registry.ts';

/** Where a process can be reached, for `mesh.register`. */
export interface RegisterOptions {
  /** The port that it listens on. */
  readonly port: number;
  /** The host or IP address that others reach it at. Default: the first IPv4 address that is not of loopback, else 127.0.0.1. */
  readonly address?: string;
  /** The service. Default: the `service` of the mesh. */
  readonly service?: string;
  /** Subsets select by them. */
  readonly labels?: Labels;
  /** `region/zone/subzone`. Default: the `locality` of the mesh, else what the registry knows of the machine. */
  readonly locality?: string;
  /** Relative share of the traffic, an integer ≥ 0. Default 1. */
  readonly weight?: number;
  /** How the registry finds out whether the process is well (Consul). Default: the process reports by itself. */
  readonly health?: HealthCheck;
}

const known: readonly (keyof RegisterOptions)[] = [
  'port',
  'address',
  'service',
  'labels',
  'locality',
  'weight',
  'health',
];

/** A registry that does not answer is not waited for longer when the mesh closes, in ms. */
const deregisterTimeoutMs = 3_000;

/** What a process has registered. */
export class Registrations {
  private readonly registry: SteadyRegistry;
  private readonly service: string;
  private readonly clock: Clock;
  private readonly warn: (message: string) => void;
  /** Also those that are on their way. */
  private readonly current = new Set<Promise<Registration>>();
  private closed = false;
  private closing: Promise<void> | undefined = undefined;

  constructor(registry: SteadyRegistry, service: string, clock: Clock, warn: (message: string) => void) {
    this.registry = registry;
    this.service = service;
    this.clock = clock;
    this.warn = warn;
  }

  /**
   * Registers an endpoint; resolves when the registry has it.
   *
   * @throws MeshError `INMESH_OPTION`; `INMESH_UNSUPPORTED` when endpoints cannot be registered there; `INMESH_REGISTRY`;
   * `INMESH_CLOSED`.
   */
  async register(options: RegisterOptions): Promise<Registration> {
    const endpoint = endpointOf(options);
    const { registry, service } = this;
    if (this.closed) throw new MeshError('INMESH_CLOSED', 'the mesh is closed');
    if (registry.register === undefined) {
      const message = `${registry.name}: nothing can be registered there; endpoints are named by its documents, or by the platform`;
      throw new MeshError('INMESH_UNSUPPORTED', message);
    }
    const registered = registry.register(options.service ?? service, endpoint, options.health);
    this.current.add(registered);
    try {
      const registration = await registered;
      return {
        deregister: async () => {
          this.current.delete(registered);
          await registration.deregister();
        },
      };
    } catch (error) {
      this.current.delete(registered);
      throw error;
    }
  }

  /**
   * Deregisters everything, and refuses more. A registry that does not answer is reported, and not waited for.
   *
   * @returns undefined when nothing is registered; the same promise each time otherwise.
   */
  close(): Promise<void> | undefined {
    this.closed = true;
    if (this.current.size > 0) this.closing ??= this.deregisterAll();
    return this.closing;
  }

  private async deregisterAll(): Promise<void> {
    const all = [...this.current];
    this.current.clear();
    const done = Promise.allSettled(all.map(async (registered) => (await registered).deregister()));
    let late!: () => void;
    const tooLate = new Promise<undefined>((resolve) => {
      late = () => resolve(undefined);
    });
    const timer = this.clock.setTimer(late, deregisterTimeoutMs);
    const results = await Promise.race([done, tooLate]);
    this.clock.clearTimer(timer);
    const failed = results?.find((result) => result.status === 'rejected');
    if (results !== undefined && failed === undefined) return;
    const why = failed === undefined ? `no answer within ${deregisterTimeoutMs} ms` : (failed.reason as Error).message;
    this.warn(
      `${this.registry.name}: ${this.service} could not be deregistered, and will be gone when its time runs out: ${why}`,
    );
  }
}

function endpointOf(options: RegisterOptions): Endpoint {
  if (typeof options !== 'object' || options === null) {
    throw new MeshError('INMESH_OPTION', `register: the options are ${String(options)}; allowed is an object`);
  }
  for (const name of Object.keys(options)) {
    if ((known as readonly string[]).includes(name)) continue;
    throw new MeshError('INMESH_OPTION', `register: unknown option ${name}; known are ${known.join(', ')}`);
  }
  const { port, address = ownAddress(), service, labels, locality, weight, health } = options;
  if (service !== undefined && (typeof service !== 'string' || service === '')) {
    throw new MeshError('INMESH_OPTION', `register: option service is ${JSON.stringify(service)}; allowed is a name`);
  }
  if (health !== undefined && !(typeof health?.path === 'string' && health.path.startsWith('/'))) {
    throw new MeshError('INMESH_OPTION', 'register: option health: path is a path from its /');
  }
  const given = { host: address, port, labels, locality, weight };
  const endpoint = readEndpoint(Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)));
  if (typeof endpoint === 'string') throw new MeshError('INMESH_OPTION', `register: ${endpoint}`);
  return endpoint;
}

/** The first address that other machines may reach. */
function ownAddress(): string {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return all.find(({ family, internal }) => family === 'IPv4' && !internal)?.address ?? '127.0.0.1';
}
