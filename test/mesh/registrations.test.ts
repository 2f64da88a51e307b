import { describe, expect, it } from 'vitest';
import type { Endpoint } from '../../src/core/endpoint.ts';
import { LastKnown } from '../../src/discovery/last-known.ts';
import type { HealthCheck, Registration, Registry } from '../../src/discovery/registry.ts';
import { SteadyRegistry } from '../../src/discovery/steady-registry.ts';
import { Registrations } from '../../src/mesh/registrations.ts';
import { VirtualClock } from '../../src/testing/virtual-clock.ts';

/** A registry that notes what is registered. */
class NotingRegistry implements Registry {
  readonly name = 'noting:';
  readonly log: string[] = [];
  readonly registered: { service: string; endpoint: Endpoint; health: HealthCheck | undefined }[] = [];
  /** What deregistering waits for. */
  gate: Promise<void> = Promise.resolve();
  /** What registering waits for. */
  entry: Promise<void> = Promise.resolve();

  async register(service: string, endpoint: Endpoint, health?: HealthCheck): Promise<Registration> {
    await this.entry;
    this.registered.push({ service, endpoint, health });
    this.log.push(`register ${service} ${endpoint.port}`);
    return {
      deregister: async () => {
        await this.gate;
        this.log.push(`deregister ${service} ${endpoint.port}`);
      },
    };
  }

  async close() {}
}

function open(registry: Registry = new NotingRegistry()) {
  const clock = new VirtualClock();
  const warnings: string[] = [];
  const warn = (message: string) => void warnings.push(message);
  const lastKnown = new LastKnown({ path: undefined, registry: registry.name, clock, warn });
  const steady = new SteadyRegistry(registry, { clock, lastKnown });
  return { clock, warnings, registrations: new Registrations(steady, 'reviews', clock, warn) };
}

describe('a registration', () => {
  it('has what it was given, and the defaults of an endpoint for the rest', async () => {
    const registry = new NotingRegistry();
    const { registrations } = open(registry);
    await registrations.register({ port: 9080, address: '10.0.0.1' });
    await registrations.register({
      port: 9081,
      address: 'reviews.local',
      service: 'other',
      labels: { version: 'v1' },
      locality: 'eu/a',
      weight: 3,
      health: { path: '/healthy' },
    });
    const rest = { labels: {}, locality: '', weight: 1, state: 'serving' };
    expect(registry.registered).toEqual([
      { service: 'reviews', endpoint: { host: '10.0.0.1', port: 9080, ...rest }, health: undefined },
      {
        service: 'other',
        endpoint: {
          ...rest,
          host: 'reviews.local',
          port: 9081,
          labels: { version: 'v1' },
          locality: 'eu/a',
          weight: 3,
        },
        health: { path: '/healthy' },
      },
    ]);
  });

  it('has an IPv4 address of the machine when none is given', async () => {
    const registry = new NotingRegistry();
    const { registrations } = open(registry);
    await registrations.register({ port: 9080 });
    expect(registry.registered[0]?.endpoint.host).toMatch(/^\d+\.\d+\.\d+\.\d+$/);
  });

  it.each([
    [undefined, 'allowed is an object'],
    [{}, 'port is no number'],
    [{ port: 0 }, ':0 is no address'],
    [{ port: 80, address: 'a b' }, 'a b:80 is no address'],
    [{ port: 80, weight: -1 }, 'weight is -1; allowed: integers from 0'],
    [{ port: 80, labels: { a: 1 } }, 'labels are no object of texts'],
    [{ port: 80, service: '' }, 'option service is ""'],
    [{ port: 80, health: {} }, 'option health: path is a path from its /'],
    [{ port: 80, tags: [] }, 'unknown option tags; known are port, address'],
  ])('of %j is refused, and nothing is registered', async (options, message) => {
    const registry = new NotingRegistry();
    const { registrations } = open(registry);
    const error = await registrations.register(options as never).catch((reason) => reason);
    expect(error).toMatchObject({ code: 'INMESH_OPTION', message: expect.stringContaining(message) });
    expect([registry.log, registrations.close()]).toEqual([[], undefined]);
  });

  it('is refused where nothing can be registered, and says where endpoints come from', async () => {
    const { registrations } = open({ name: 'file:./mesh.yaml', close: async () => {} });
    await expect(registrations.register({ port: 80 })).rejects.toMatchObject({
      code: 'INMESH_UNSUPPORTED',
      message: expect.stringContaining('file:./mesh.yaml: nothing can be registered there'),
    });
  });
});

describe('closing registrations', () => {
  it('deregisters everything that the program has not, also what is on its way', async () => {
    const registry = new NotingRegistry();
    const { registrations } = open(registry);
    const first = await registrations.register({ port: 1, address: 'a' });
    await registrations.register({ port: 2, address: 'a' });
    await first.deregister();
    let enter!: () => void;
    registry.entry = new Promise((resolve) => {
      enter = resolve;
    });
    const third = registrations.register({ port: 3, address: 'a' });
    const closed = registrations.close();
    enter();
    await Promise.all([third, closed]);
    expect(registry.log.sort()).toEqual([
      'deregister reviews 1',
      'deregister reviews 2',
      'deregister reviews 3',
      'register reviews 1',
      'register reviews 2',
      'register reviews 3',
    ]);
    await expect(registrations.register({ port: 4 })).rejects.toMatchObject({ code: 'INMESH_CLOSED' });
  });

  it('waits three seconds at most for a registry that does not answer, and says so', async () => {
    const registry = new NotingRegistry();
    const { registrations, clock, warnings } = open(registry);
    await registrations.register({ port: 1, address: 'a' });
    registry.gate = new Promise(() => {});
    const closed = registrations.close();
    await clock.advance(3_000);
    await closed;
    expect(warnings).toEqual([expect.stringContaining('could not be deregistered')]);
  });

  it('reports what the registry says', async () => {
    const registry = new NotingRegistry();
    const { registrations, warnings, clock } = open(registry);
    await registrations.register({ port: 1, address: 'a' });
    registry.gate = Promise.reject(new Error('permission denied'));
    await registrations.close();
    expect(warnings).toEqual([expect.stringContaining('permission denied')]);
    expect(clock.pendingTimers).toBe(0);
  });
});
