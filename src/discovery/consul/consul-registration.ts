/**
 * How does a service stay in Consul for as long as it runs, and not longer? Its agent has it under a check that the
 * process renews, or with an HTTP check that the agent makes; an agent that forgot it is told again; and an instance
 * whose check fails for a minute is taken out by Consul, so that a crash leaves nothing behind.
 *
 * A service that ends says so first (`inmesh-state: draining`), so that callers send nothing new while it is taken out.
 */
import type { Endpoint } from '../../core/endpoint.ts';
import { endpointKey } from '../../core/endpoint.ts';
import { MeshError } from '../../core/errors.ts';
import { events } from '../../core/events.ts';
import type { HealthCheck, Registration } from '../registry.ts';
import { ReconnectDelay } from '../remote/reconnect-delay.ts';
import { Upkeep } from '../remote/upkeep.ts';
import { isLabelKey, localityKey, stateKey } from './consul-instance.ts';
import type { ConsulParts } from './consul-poll.ts';

/** What is registered. */
export interface ConsulRegistrationOptions extends ConsulParts {
  readonly service: string;
  readonly endpoint: Endpoint;
  /** Undefined for a check that this process renews. */
  readonly health: HealthCheck | undefined;
  /** An instance that is not renewed for this long counts no more, in ms. It is renewed at a third of it. */
  readonly ttlMs: number;
}

/** Consul takes no shorter time. */
const takenOutAfter = '1m';

const healthDefaults = { intervalMs: 10_000, timeoutMs: 2_000 } as const;

/** Servers resolve these in a path, and the service would be another one. */
const hasUnsafeSegment = /(?:^|\/)\.{0,2}(?:\/|$)/;

/** From the announcement of the end until the end, in ms: the time that queries need to be answered. */
const announceMs = 100;

/** No request of the end takes longer, in ms. */
const endTimeoutMs = 5_000;

/** A service at its agent. */
export class ConsulRegistration implements Registration {
  private readonly options: ConsulRegistrationOptions;
  private readonly health: Required<HealthCheck> | undefined;
  private readonly id: string;
  private readonly upkeep: Upkeep;
  private ending: Promise<void> | undefined;

  /** @throws MeshError `INMESH_OPTION` for a service, an endpoint or a health check that Consul cannot hold. */
  constructor(options: ConsulRegistrationOptions) {
    const { service, endpoint, health, clock, random, backoff, ttlMs } = options;
    const address = endpointKey(endpoint);
    if (endpoint.socketPath !== undefined) throw wrong(service, `${address} is a socket; allowed: host:port`);
    if (hasUnsafeSegment.test(service)) {
      throw wrong(service, 'segments that are empty, "." or ".." cannot be asked for at Consul');
    }
    const reserved = Object.keys(endpoint.labels).find((name) => !isLabelKey(name));
    if (reserved !== undefined) throw wrong(service, `label ${reserved} is metadata of inmesh; allowed: other names`);
    if (endpoint.weight < 1 || endpoint.weight > 65_535) {
      throw wrong(service, `weight of ${address} is ${endpoint.weight}; allowed with Consul: 1 to 65535`);
    }
    this.options = options;
    this.health = health === undefined ? undefined : readHealth(service, health);
    this.id = `${service}-${endpoint.host}-${endpoint.port}`;
    this.upkeep = new Upkeep({
      clock,
      delay: new ReconnectDelay(random, backoff),
      intervalMs: ttlMs / 3,
      run: () => this.renew(),
      failed: (error) => this.failed(error),
    });
  }

  /** Registers it, and keeps it registered. */
  async start(): Promise<void> {
    await this.put(this.options.endpoint.state, false);
    this.upkeep.start();
  }

  deregister(): Promise<void> {
    this.ending ??= this.end();
    return this.ending;
  }

  private async renew(): Promise<void> {
    const { client } = this.options;
    const id = encodeURIComponent(this.id);
    const { status } = await client.send({
      ...(this.health === undefined
        ? { method: 'PUT', path: `/v1/agent/check/pass/service:${id}` }
        : { method: 'GET', path: `/v1/agent/service/${id}` }),
      what: this.what,
      query: client.settings.agentScope,
      // The answers of an agent that does not know it.
      accept: [404, 500],
      background: true,
    });
    if (status !== 200) await this.put(this.options.endpoint.state, true);
  }

  private async put(state: Endpoint['state'], background: boolean): Promise<void> {
    const { client, service, endpoint } = this.options;
    const { labels, locality, host, port, weight } = endpoint;
    await client.send({
      method: 'PUT',
      path: '/v1/agent/service/register',
      what: this.what,
      query: { ...client.settings.agentScope, 'replace-existing-checks': 'true' },
      background,
      body: {
        ID: this.id,
        Name: service,
        Address: host,
        Port: port,
        Meta: {
          ...labels,
          ...(locality === '' ? undefined : { [localityKey]: locality }),
          ...(state === 'serving' ? undefined : { [stateKey]: state }),
        },
        Weights: { Passing: weight, Warning: 1 },
        Check: this.check(),
      },
    });
  }

  private check(): object {
    const { endpoint, ttlMs } = this.options;
    const end = { DeregisterCriticalServiceAfter: takenOutAfter };
    if (this.health === undefined) return { TTL: `${ttlMs}ms`, Status: 'passing', ...end };
    const { path, intervalMs, timeoutMs } = this.health;
    const url = `http://${endpointKey(endpoint)}${path.startsWith('/') ? '' : '/'}${path}`;
    return { HTTP: url, Interval: `${intervalMs}ms`, Timeout: `${timeoutMs}ms`, ...end };
  }

  private async end(): Promise<void> {
    const { clock, client } = this.options;
    // A renewal under way does not keep the process alive; this does until it is over.
    const held = clock.setTimer(() => {}, endTimeoutMs);
    await this.upkeep.end();
    clock.clearTimer(held);
    const isAnnounced = await this.put('draining', false).then(
      () => true,
      () => false,
    );
    if (isAnnounced) await new Promise<void>((resolve) => clock.setTimer(resolve, announceMs));
    await client.send({
      method: 'PUT',
      path: `/v1/agent/service/deregister/${encodeURIComponent(this.id)}`,
      what: this.what,
      query: client.settings.agentScope,
      timeoutMs: endTimeoutMs,
      // It is out already.
      accept: [404],
    });
  }

  private get what(): string {
    return `instance ${this.id}`;
  }

  private failed(error: Error): void {
    if (!events.registryError.hasSubscribers) return;
    const { client, service } = this.options;
    events.registryError.publish({ registry: client.settings.name, service, error });
  }
}

/** @throws MeshError `INMESH_OPTION` for a field that is unknown, and for a value outside its range. */
function readHealth(service: string, given: HealthCheck): Required<HealthCheck> {
  const names = ['path', 'intervalMs', 'timeoutMs'];
  const unknown = Object.keys(given).find((name) => !names.includes(name));
  if (unknown !== undefined) throw wrong(service, `health has no field ${unknown}; allowed: ${names.join(', ')}`);
  if (typeof given.path !== 'string') throw wrong(service, 'health.path is no text; allowed: /path');
  const ms = (name: keyof typeof healthDefaults) => {
    const value = given[name] ?? healthDefaults[name];
    if (Number.isFinite(value) && value > 0) return value;
    throw wrong(service, `health.${name} is ${String(value)}; allowed: more than 0`);
  };
  return { path: given.path, intervalMs: ms('intervalMs'), timeoutMs: ms('timeoutMs') };
}

function wrong(service: string, what: string): MeshError {
  return new MeshError('INMESH_OPTION', `registration of ${service}: ${what}`, { service });
}
