import { describe, expect, it } from 'vitest';
import { compile } from '../../src/config/compile.ts';
import type { ServiceConfig } from '../../src/config/mesh-config.ts';
import { type Endpoint, endpointKey, makeEndpoint } from '../../src/core/endpoint.ts';
import { events } from '../../src/core/events.ts';
import { LastKnown } from '../../src/discovery/last-known.ts';
import type { Registry } from '../../src/discovery/registry.ts';
import { SteadyRegistry } from '../../src/discovery/steady-registry.ts';
import { EndpointFeed } from '../../src/mesh/endpoint-feed.ts';
import { VirtualClock } from '../../src/testing/virtual-clock.ts';
import { ManualEndpoints, ManualRegistry } from './manual-registry.ts';

type Service = { endpoints?: object[]; resolution?: 'STATIC' | 'DNS' };

async function configOf(service: Service): Promise<ServiceConfig> {
  const result = await compile([{ name: 'test', value: { services: [{ host: 'reviews', ...service }] } }]);
  if (!result.ok) throw new Error(result.problems.join());
  return result.config.services.get('reviews') as ServiceConfig;
}

function endpointsOf(...hosts: string[]): Endpoint[] {
  return hosts.map((host) => makeEndpoint({ host, port: 80 }));
}

const unconfigured = { endpoints: [], resolution: 'STATIC' as const };

function steady(registry: Registry): SteadyRegistry {
  const clock = new VirtualClock();
  const lastKnown = new LastKnown({ path: undefined, registry: registry.name, clock, warn: () => {} });
  return new SteadyRegistry(registry, { clock, lastKnown });
}

/** A feed, with what it told: each time the addresses that were set. */
function feedOver(registry: ManualEndpoints | ManualRegistry = new ManualEndpoints()) {
  const told: string[][] = [];
  const endpoints: Endpoint[][] = [];
  const dns = new ManualEndpoints();
  const shown = new Map<string, Endpoint>();
  const target = {
    setEndpoints(set: readonly Endpoint[]) {
      shown.clear();
      target.changeEndpoints(set, []);
    },
    changeEndpoints(put: readonly Endpoint[], removed: readonly string[]) {
      for (const key of removed) shown.delete(key);
      for (const endpoint of put) shown.set(endpointKey(endpoint), endpoint);
      told.push([...shown.keys()]);
      endpoints.push([...shown.values()]);
    },
  };
  const steadyDns = steady(dns);
  const feed = new EndpointFeed('reviews', target, { registry: steady(registry), dns: () => steadyDns });
  return { feed, told, endpoints, dns };
}

const ofDocument = { endpoints: [{ address: '10.0.0.1:80' }] };

describe('the endpoints of a service', () => {
  it('are those of the document when the registry names none', async () => {
    const { feed, told } = feedOver(new ManualRegistry());
    feed.configure(await configOf(ofDocument));
    feed.wake();
    expect(told).toEqual([['10.0.0.1:80']]);
    expect(await feed.known).toBe(true);
  });

  it('are those of the registry as long as it knows the service, even when it says that there are none', async () => {
    const registry = new ManualEndpoints();
    const { feed, told } = feedOver(registry);
    feed.configure(await configOf(ofDocument));
    feed.wake();
    const sink = registry.sinkOf('reviews');
    sink.set({ full: endpointsOf('10.0.0.2', '10.0.0.3') }, '1');
    sink.set({ full: [] }, '2');
    sink.absent('3');
    expect(told).toEqual([['10.0.0.1:80'], ['10.0.0.2:80', '10.0.0.3:80'], [], ['10.0.0.1:80']]);
  });

  it('change by what is put and removed', async () => {
    const registry = new ManualEndpoints();
    const { feed, told, endpoints } = feedOver(registry);
    feed.configure(unconfigured);
    feed.wake();
    const sink = registry.sinkOf('reviews');
    sink.set({ put: endpointsOf('10.0.0.2', '10.0.0.3'), removed: [] }, '1');
    sink.set({ put: endpointsOf('10.0.0.4'), removed: ['10.0.0.2:80', '10.9.9.9:80'] }, '2');
    sink.set({ put: [makeEndpoint({ host: '10.0.0.3', port: 80, weight: 7 })], removed: [] }, '3');
    expect(told).toEqual([
      ['10.0.0.2:80', '10.0.0.3:80'],
      ['10.0.0.3:80', '10.0.0.4:80'],
      ['10.0.0.3:80', '10.0.0.4:80'],
    ]);
    expect(endpoints.at(-1)?.map(({ weight }) => weight)).toEqual([7, 1]);
  });

  it('stay those of the registry over a change of the document', async () => {
    const registry = new ManualEndpoints();
    const { feed, told } = feedOver(registry);
    feed.configure(await configOf(ofDocument));
    feed.wake();
    registry.sinkOf('reviews').set({ full: endpointsOf('10.0.0.2') }, '1');
    feed.configure(await configOf({ endpoints: [{ address: '10.0.0.9:80' }] }));
    feed.wake();
    expect(told.at(-1)).toEqual(['10.0.0.2:80']);
    expect(registry.watches.get('reviews')?.map(({ closed }) => closed)).toEqual([false]);
    registry.sinkOf('reviews').absent('2');
    expect(told.at(-1)).toEqual(['10.0.0.9:80']);
  });

  it('stay when the registry fails, which is announced', async () => {
    const announced: unknown[] = [];
    const listen = (message: unknown) => void announced.push(message);
    const registry = new ManualEndpoints();
    const { feed, told } = feedOver(registry);
    feed.configure(unconfigured);
    feed.wake();
    registry.sinkOf('reviews').set({ full: endpointsOf('10.0.0.2') }, '1');
    const error = new Error('gone');
    events.registryError.subscribe(listen);
    registry.sinkOf('reviews').failed(error);
    events.registryError.unsubscribe(listen);
    expect(told).toEqual([['10.0.0.2:80']]);
    expect(announced).toEqual([{ registry: 'manual', service: 'reviews', error }]);
  });

  it('stay when the registry names what is no address, which is its verdict', async () => {
    const registry = new ManualEndpoints();
    const { feed, told } = feedOver(registry);
    feed.configure(unconfigured);
    feed.wake();
    const sink = registry.sinkOf('reviews');
    sink.set({ full: endpointsOf('10.0.0.2') }, '1');
    const problems = [expect.stringContaining('a b:80 is no address; allowed: host:port')];
    expect(sink.set({ full: endpointsOf('10.0.0.3', 'a b') }, '2')).toEqual({ accepted: false, problems });
    expect(sink.set({ put: endpointsOf('a b'), removed: ['10.0.0.2:80'] }, '3')).toMatchObject({ accepted: false });
    expect(told).toEqual([['10.0.0.2:80']]);
  });

  it('need no more than a host and a port', async () => {
    const registry = new ManualEndpoints();
    const { feed, endpoints } = feedOver(registry);
    feed.configure(unconfigured);
    feed.wake();
    const bare = { host: '10.0.0.2', port: 80 } as Endpoint;
    const sink = registry.sinkOf('reviews');
    expect(sink.set({ full: [bare] }, '1')).toEqual({ accepted: true });
    expect(sink.set({ put: [{ ...bare, port: 81 }], removed: [] }, '2')).toEqual({ accepted: true });
    expect(endpoints.at(-1)).toEqual([
      makeEndpoint({ host: '10.0.0.2', port: 80 }),
      makeEndpoint({ host: '10.0.0.2', port: 81 }),
    ]);
  });

  it.each<[string, unknown, string]>([
    ['no list', {}, 'the endpoints are no list'],
    ['an empty place', [null], 'endpoints[0]: is no object'],
    ['a text', ['10.0.0.3:80'], 'endpoints[0]: is no object'],
    ['no host', [{ port: 80 }], 'endpoints[0]: host is no text'],
    ['a port as text', [{ host: 'a', port: '80' }], 'endpoints[0]: port is no number'],
    ['a socket that is none', [{ host: '', port: 0, socketPath: 1 }], 'endpoints[0]: socketPath is no text'],
    ['labels that are none', [{ host: 'a', port: 80, labels: { a: 1 } }], 'labels are no object of texts'],
    ['a locality that is none', [{ host: 'a', port: 80, locality: 1 }], 'locality is no text'],
    ['a negative weight', [{ host: 'a', port: 80, weight: -1 }], 'weight is -1; allowed: integers from 0'],
    ['a state that is none', [{ host: 'a', port: 80, state: 'up' }], 'state is up; allowed: serving, draining'],
  ])('stay when the registry names %s, which is its verdict', async (_what, named, problem) => {
    const registry = new ManualEndpoints();
    const { feed, told } = feedOver(registry);
    feed.configure(unconfigured);
    feed.wake();
    const sink = registry.sinkOf('reviews');
    sink.set({ full: endpointsOf('10.0.0.2') }, '1');
    const problems = [expect.stringContaining(problem)];
    expect(sink.set({ full: named as Endpoint[] }, '2')).toEqual({ accepted: false, problems });
    expect(told).toEqual([['10.0.0.2:80']]);
  });

  it('are known to be unknown when neither the registry nor the document has some', async () => {
    const registry = new ManualEndpoints();
    const { feed, told } = feedOver(registry);
    feed.configure(await configOf({}));
    feed.wake();
    registry.sinkOf('reviews').absent('1');
    expect(await feed.known).toBe(false);
    expect(told).toEqual([[]]);
  });

  it('are not changed by what a registry tells a watch that was closed', async () => {
    const registry = new ManualEndpoints();
    const { feed, told } = feedOver(registry);
    feed.configure(unconfigured);
    feed.wake();
    feed.close();
    const sink = registry.sinkOf('reviews');
    expect(sink.set({ full: endpointsOf('10.0.0.2') }, '1')).toEqual({ accepted: true });
    sink.absent('2');
    expect(told).toEqual([]);
  });
});

describe('endpoints with resolution DNS', () => {
  const names = {
    resolution: 'DNS' as const,
    endpoints: [
      { address: 'one.example:80', labels: { version: 'v1' }, weight: 3 },
      { address: 'two.example:8080', locality: 'eu/a' },
    ],
  };

  async function resolved() {
    const all = feedOver();
    all.feed.configure(await configOf(names));
    all.feed.wake();
    return { ...all, one: all.dns.sinkOf('one.example:80'), two: all.dns.sinkOf('two.example:8080') };
  }

  it('are the addresses of each name, with its labels, locality and weight', async () => {
    const { one, two, endpoints, feed } = await resolved();
    one.set({ full: endpointsOf('10.0.0.1', '10.0.0.2') }, '1');
    two.set({ full: [makeEndpoint({ host: '::1', port: 8080 })] }, '1');
    const v1 = { labels: { version: 'v1' }, weight: 3, port: 80 };
    expect(endpoints.at(-1)).toEqual([
      makeEndpoint({ host: '10.0.0.1', ...v1 }),
      makeEndpoint({ host: '10.0.0.2', ...v1 }),
      makeEndpoint({ host: '::1', port: 8080, locality: 'eu/a' }),
    ]);
    expect(await feed.known).toBe(true);
  });

  it('are known once every name was answered, be it with nothing', async () => {
    const { one, two, feed, told } = await resolved();
    one.absent('1');
    expect(await Promise.race([feed.known, 'not yet'])).toBe('not yet');
    two.absent('1');
    expect(await feed.known).toBe(true);
    expect(told.at(-1)).toEqual([]);
  });

  it('stay when their name cannot be resolved for a while', async () => {
    const { one, told } = await resolved();
    one.set({ full: endpointsOf('10.0.0.1') }, '1');
    one.failed(new Error('SERVFAIL'));
    expect(told).toEqual([['10.0.0.1:80']]);
  });

  it('stay over a reload that keeps their name, also before it is resolved anew', async () => {
    const { one, two, told, feed, endpoints } = await resolved();
    one.set({ full: endpointsOf('10.0.0.1') }, '1');
    two.set({ full: endpointsOf('10.0.0.2') }, '1');
    const changed = [{ address: 'one.example:80', labels: { version: 'v2' } }, { address: 'new.example:80' }];
    feed.configure(await configOf({ ...names, endpoints: [...changed, { address: 'two.example:8080' }] }));
    feed.wake();
    expect(told.at(-1)).toEqual(['10.0.0.1:80', '10.0.0.2:80']);
    expect(endpoints.at(-1)?.[0]?.labels).toEqual({ version: 'v2' });
    feed.configure(await configOf({ ...names, endpoints: changed }));
    feed.wake();
    expect(told.at(-1)).toEqual(['10.0.0.1:80']);
  });

  it('stay over a reload to other names until one of those is resolved', async () => {
    const { one, dns, told, feed } = await resolved();
    one.set({ full: endpointsOf('10.0.0.1') }, '1');
    feed.configure(await configOf({ ...names, endpoints: [{ address: 'new.example:80' }] }));
    feed.wake();
    expect(told).toEqual([['10.0.0.1:80']]);
    one.set({ full: endpointsOf('10.0.0.7') }, '2');
    dns.sinkOf('new.example:80').set({ full: endpointsOf('10.0.0.8') }, '1');
    expect(told).toEqual([['10.0.0.1:80'], ['10.0.0.8:80']]);
  });

  it('are none without names', async () => {
    const { feed, told } = feedOver();
    feed.configure(await configOf({ resolution: 'DNS', endpoints: [] }));
    feed.wake();
    expect(await feed.known).toBe(true);
    expect(told).toEqual([[]]);
  });
});
