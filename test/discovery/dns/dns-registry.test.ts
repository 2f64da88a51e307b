import { once } from 'node:events';
import { createServer } from 'node:http';
import { describe, expect, it } from 'vitest';
import { createMesh } from '../../../src/adapters/create-mesh.ts';
import { systemClock } from '../../../src/core/clock.ts';
import { endpointKey } from '../../../src/core/endpoint.ts';
import { isMeshError } from '../../../src/core/errors.ts';
import { seededRandom } from '../../../src/core/random.ts';
import { type DnsRecords, DnsRegistry } from '../../../src/discovery/dns/dns-registry.ts';
import type { AddressRecord, DnsClient, ServiceRecord } from '../../../src/discovery/dns/dns-resolver.ts';
import { systemDnsClient } from '../../../src/discovery/dns/dns-resolver.ts';
import type { EndpointChange, Sink, Watch } from '../../../src/discovery/registry.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';
import { registryContract } from '../../contracts/registry-contract.ts';

function dnsError(code: string): Error {
  return Object.assign(new Error(`query ${code}`), { code });
}

/** Answers what it is told to. */
class FakeDns implements DnsClient {
  a: readonly AddressRecord[] | string = 'ENOTFOUND';
  aaaa: readonly AddressRecord[] | string = 'ENODATA';
  hosts: readonly string[] | string = 'ENOTFOUND';
  srv: readonly ServiceRecord[] | string = 'ENODATA';
  /** The A records of targets; other names have {@link a}. */
  readonly targets = new Map<string, readonly AddressRecord[] | string>();
  readonly names: string[] = [];
  queries = 0;
  cancelled = false;

  async resolve4(name: string): Promise<readonly AddressRecord[]> {
    this.queries++;
    this.names.push(name);
    return this.answer(this.targets.get(name) ?? this.a);
  }

  async resolveSrv(name: string): Promise<readonly ServiceRecord[]> {
    this.names.push(`SRV ${name}`);
    return this.answer(this.srv);
  }

  async resolve6(): Promise<readonly AddressRecord[]> {
    return this.answer(this.aaaa);
  }

  lookup = async (): Promise<readonly string[]> => this.answer(this.hosts);

  cancel(): void {
    this.cancelled = true;
  }

  private answer<T>(answer: readonly T[] | string): readonly T[] {
    if (typeof answer === 'string') throw dnsError(answer);
    return answer;
  }
}

function addressesOf(change: EndpointChange): readonly string[] {
  return ('full' in change ? change.full : change.put).map(endpointKey);
}

registryContract('DnsRegistry', async () => {
  const [client, clock] = [new FakeDns(), new VirtualClock()];
  const registry = new DnsRegistry({ client, clock, random: seededRandom(1) });
  return {
    registry,
    watch: (sink) =>
      registry.watchEndpoints('reviews:80', {
        set: (change, version) => sink.set(addressesOf(change), version),
        absent: (version) => sink.absent(version),
        failed: (error) => sink.failed(error),
      }),
    publish: async (addresses) => {
      client.a = addresses.map((address) => ({ address: address.slice(0, address.indexOf(':')), ttl: 1 }));
    },
    publishNonsense: async () => {
      client.a = 'ESERVFAIL';
    },
    tick: () => clock.advance(5_000),
    dispose: async () => {},
  };
});

registryContract('DnsRegistry of service records', async () => {
  const [client, clock] = [new FakeDns(), new VirtualClock()];
  const registry = new DnsRegistry({ client, clock, random: seededRandom(1) });
  return {
    registry,
    weights: true,
    watch: (sink) =>
      registry.watchEndpoints('_http._tcp.reviews', {
        set: (change, version) => {
          const endpoints = 'full' in change ? change.full : change.put;
          const addresses = endpoints.map((one) => endpointKey(one) + (one.weight === 1 ? '' : `*${one.weight}`));
          return sink.set(addresses, version);
        },
        absent: (version) => sink.absent(version),
        failed: (error) => sink.failed(error),
      }),
    publish: async (addresses) => {
      client.targets.clear();
      client.srv = addresses.map((text, index) => {
        const [address = '', weight = '1'] = text.split('*');
        const [host = '', port] = address.split(':');
        client.targets.set(`n${index}`, [{ address: host, ttl: 1 }]);
        return { name: `n${index}`, port: Number(port), priority: 1, weight: Number(weight) };
      });
    },
    publishNonsense: async () => {
      client.srv = 'ESERVFAIL';
    },
    tick: () => clock.advance(5_000),
    dispose: async () => {},
  };
});

interface Setup {
  readonly client: FakeDns;
  readonly clock: VirtualClock;
  readonly registry: DnsRegistry;
  /** What was told: addresses, `absent` or the message of an error. */
  readonly told: string[];
  readonly watch: Watch;
}

function setup(service: string, prepare: (client: FakeDns) => void = () => {}, records?: DnsRecords): Setup {
  const [client, clock, told] = [new FakeDns(), new VirtualClock(), [] as string[]];
  prepare(client);
  const registry = new DnsRegistry({ client, clock, random: seededRandom(1), records });
  const sink: Sink<EndpointChange> = {
    set: (change) => {
      told.push(addressesOf(change).join());
      return { accepted: true };
    },
    absent: () => told.push('absent'),
    failed: (error) => told.push(isMeshError(error, 'INMESH_REGISTRY') ? error.message : 'another error'),
  };
  return { client, clock, registry, told, watch: registry.watchEndpoints(service, sink) };
}

describe('DnsRegistry', () => {
  it('gives the addresses of a name the port of the service', async () => {
    const { clock, told } = setup('reviews.default.svc:8080', (client) => {
      client.a = [
        { address: '10.0.0.2', ttl: 60 },
        { address: '10.0.0.1', ttl: 60 },
      ];
    });
    await clock.advance(0);
    expect(told).toEqual(['10.0.0.1:8080,10.0.0.2:8080']);
  });

  it('takes AAAA records when there are no A records', async () => {
    const { clock, told } = setup('reviews:80', (client) => {
      client.a = 'ENODATA';
      client.aaaa = [{ address: 'fd00::1', ttl: 60 }];
    });
    await clock.advance(0);
    expect(told).toEqual(['[fd00::1]:80']);
  });

  it('falls back to the lookup of the system', async () => {
    const { clock, told } = setup('localhost:80', (client) => {
      client.a = 'ECONNREFUSED';
      client.hosts = ['127.0.0.1'];
    });
    await clock.advance(0);
    expect(told).toEqual(['127.0.0.1:80']);
  });

  it('asks again when the shortest time to live is over, but not before 5 s', async () => {
    const { client, clock } = setup('reviews:80', (fake) => {
      fake.a = [
        { address: '10.0.0.1', ttl: 60 },
        { address: '10.0.0.2', ttl: 20 },
      ];
    });
    await clock.advance(19_999);
    expect(client.queries).toBe(1);
    client.a = [{ address: '10.0.0.1', ttl: 0 }];
    await clock.advance(1);
    expect(client.queries).toBe(2);
    await clock.advance(4_999);
    expect(client.queries).toBe(2);
    await clock.advance(1);
    expect(client.queries).toBe(3);
  });

  it('keeps the last addresses on failures, and waits longer after each', async () => {
    const { client, clock, told } = setup('reviews:80', (fake) => {
      fake.a = [{ address: '10.0.0.1', ttl: 1 }];
    });
    await clock.advance(0);
    client.a = 'ETIMEOUT';
    client.hosts = 'EAI_AGAIN';
    await clock.advance(5_000);
    expect(told).toEqual(['10.0.0.1:80', 'reviews cannot be resolved: query ETIMEOUT']);
    const waits: number[] = [];
    for (let failure = 0; failure < 8; failure++) {
      const [start, queries] = [clock.now(), client.queries];
      while (client.queries === queries) await clock.advance(250);
      waits.push(clock.now() - start);
    }
    waits.forEach((wait, index) => {
      const longest = Math.min(30_000, 1_000 * 2 ** index);
      expect(wait).toBeGreaterThanOrEqual(longest / 2);
      expect(wait).toBeLessThanOrEqual(longest + 250);
    });
  });

  it('does not change to the other family because a server fails', async () => {
    const { client, clock, told } = setup('reviews:80', (fake) => {
      fake.a = [{ address: '10.0.0.1', ttl: 1 }];
      fake.aaaa = [{ address: 'fd00::1', ttl: 1 }];
    });
    await clock.advance(0);
    client.a = 'ESERVFAIL';
    await clock.advance(5_000);
    expect(told).toEqual(['10.0.0.1:80', 'reviews cannot be resolved: query ESERVFAIL']);
  });

  it('says when a name does not exist, and when it does', async () => {
    const { client, clock, told } = setup('nobody:80');
    await clock.advance(0);
    client.a = [{ address: '10.0.0.1', ttl: 1 }];
    await clock.advance(5_000);
    expect(told).toEqual(['absent', '10.0.0.1:80']);
  });

  it.each([
    ['10.0.0.7:81', '10.0.0.7:81'],
    ['[::1]:81', '[::1]:81'],
    ['not a name', 'absent'],
    ['unix:/run/x', 'absent'],
  ])('asks nobody about %s', async (service, expected) => {
    const { client, clock, told } = setup(service);
    await clock.advance(60_000);
    expect(told).toEqual([expected]);
    expect(client.queries).toBe(0);
  });

  it('takes port 80 for a name without one', async () => {
    const { clock, told } = setup('reviews', (client) => {
      client.a = [{ address: '10.0.0.1', ttl: 1 }];
    });
    await clock.advance(0);
    expect(told).toEqual(['10.0.0.1:80']);
  });

  it('has background timers only, and none when closed', async () => {
    const { client, clock, registry } = setup('reviews:80');
    await clock.advance(0);
    expect([clock.pendingTimers, clock.pendingBackgroundTimers]).toEqual([1, 1]);
    await registry.close();
    expect(clock.pendingTimers).toBe(0);
    expect(client.cancelled).toBe(true);
  });

  it('names its server, and refuses one that is no address', () => {
    const parts = { clock: new VirtualClock(), random: seededRandom(1) };
    expect(new DnsRegistry(parts).name).toBe('dns:');
    for (const server of ['127.0.0.1:5353', '127.0.0.1', '[::1]:53', '[::1]']) {
      expect(new DnsRegistry({ ...parts, server }).name).toBe(`dns://${server}`);
    }
    expect(() => new DnsRegistry({ ...parts, server: 'dns.example:53' })).toThrow('dns: the server is no IP address');
  });
});

/** A service record of the first priority. */
function record(name: string, parts: Partial<ServiceRecord> = {}): ServiceRecord {
  return { name, port: 8080, priority: 1, weight: 1, ...parts };
}

describe('DnsRegistry with service records', () => {
  /** What the records make: `address*weight`, with the priority where there is one. */
  async function endpointsOf(
    srv: readonly ServiceRecord[] | string,
    targets: Readonly<Record<string, readonly string[] | string>>,
  ): Promise<readonly (readonly string[] | string)[] | string> {
    const [client, clock] = [new FakeDns(), new VirtualClock()];
    client.a = 'ENOTFOUND';
    client.srv = srv;
    for (const [name, addresses] of Object.entries(targets)) {
      const records = typeof addresses === 'string' ? addresses : addresses.map((address) => ({ address, ttl: 60 }));
      client.targets.set(name, records);
    }
    const registry = new DnsRegistry({ client, clock, random: seededRandom(1) });
    const told: (readonly string[] | string)[] = [];
    registry.watchEndpoints('_http._tcp.reviews', {
      set: (change) => {
        const endpoints = 'full' in change ? change.full : [];
        told.push(
          endpoints.map(({ labels, weight, ...rest }) => {
            const priority = labels.priority === undefined ? '' : ` of ${labels.priority}`;
            return `${endpointKey(rest)}*${weight}${priority}`;
          }),
        );
        return { accepted: true };
      },
      absent: () => told.push('absent'),
      failed: (error) => told.push(error.message),
    });
    await clock.advance(0);
    await registry.close();
    return told.length === 1 ? (told[0] as readonly string[] | string) : told;
  }

  it('gives each address of a target the port and weight of its record', async () => {
    const records = [record('a', { weight: 3 }), record('b', { port: 81 })];
    expect(await endpointsOf(records, { a: ['10.0.0.2', '10.0.0.1'], b: ['10.0.0.3'] })).toEqual([
      '10.0.0.1:8080*3',
      '10.0.0.2:8080*3',
      '10.0.0.3:81*1',
    ]);
  });

  it('takes a weight of 0 for the least share, and all of 0 for equal ones', async () => {
    const addresses = { a: ['10.0.0.1'], b: ['10.0.0.2'] };
    expect(await endpointsOf([record('a', { weight: 0 }), record('b', { weight: 5 })], addresses)).toEqual([
      '10.0.0.1:8080*1',
      '10.0.0.2:8080*5',
    ]);
    expect(await endpointsOf([record('a', { weight: 0 }), record('b', { weight: 0 })], addresses)).toEqual([
      '10.0.0.1:8080*1',
      '10.0.0.2:8080*1',
    ]);
  });

  it('lets records of a higher priority number stand by', async () => {
    const records = [
      record('c', { priority: 20, weight: 9 }),
      record('a', { priority: 5 }),
      record('b', { priority: 20 }),
    ];
    const addresses = { a: ['10.0.0.1'], b: ['10.0.0.2'], c: ['10.0.0.3'] };
    expect(await endpointsOf(records, addresses)).toEqual([
      '10.0.0.1:8080*1 of 5',
      '10.0.0.3:8080*0 of 20',
      '10.0.0.2:8080*0 of 20',
    ]);
    // The first do not resolve.
    expect(await endpointsOf(records, { b: ['10.0.0.2'], c: ['10.0.0.3'] })).toEqual([
      '10.0.0.3:8080*9 of 20',
      '10.0.0.2:8080*1 of 20',
    ]);
  });

  it('adds up the weights of records that name one address, and keeps the first priority of it', async () => {
    const records = [record('a', { weight: 2 }), record('b', { weight: 3 }), record('a', { priority: 2 })];
    expect(await endpointsOf(records, { a: ['10.0.0.1'], b: ['10.0.0.1'] })).toEqual(['10.0.0.1:8080*5 of 1']);
  });

  it('leaves out a target that does not resolve, and fails when that is all of them', async () => {
    expect(await endpointsOf([record('a'), record('b')], { a: 'ESERVFAIL', b: ['10.0.0.2'] })).toEqual([
      ['10.0.0.2:8080*1'],
      '_http._tcp.reviews cannot be resolved in part: query ESERVFAIL',
    ]);
    expect(await endpointsOf([record('a'), record('b')], { a: 'ESERVFAIL' })).toBe(
      '_http._tcp.reviews cannot be resolved: query ESERVFAIL',
    );
    expect(await endpointsOf([record('a')], {})).toBe('absent');
  });

  it('is absent without records, and with the target that says so', async () => {
    expect(await endpointsOf('ENOTFOUND', {})).toBe('absent');
    expect(await endpointsOf([], {})).toBe('absent');
    expect(await endpointsOf([record('')], {})).toBe('absent');
    expect(await endpointsOf([record('.')], {})).toBe('absent');
    expect(await endpointsOf('ETIMEOUT', {})).toBe('_http._tcp.reviews cannot be resolved: query ETIMEOUT');
  });

  it('asks for each target once, and not for all at a time', async () => {
    const client = new FakeDns();
    let underWay = 0;
    let most = 0;
    client.srv = Array.from({ length: 200 }, (_, index) => record(`n${index % 100}`, { port: 1_000 + index }));
    client.resolve4 = async (name) => {
      client.names.push(name);
      most = Math.max(most, ++underWay);
      await Promise.resolve();
      underWay--;
      return [{ address: '10.0.0.1', ttl: 60 }];
    };
    const clock = new VirtualClock();
    const told = new Promise((resolve, reject) => {
      new DnsRegistry({ client, clock, random: seededRandom(1) }).watchEndpoints('_http._tcp.reviews', {
        set: (change) => {
          resolve('full' in change && change.full.length);
          return { accepted: true };
        },
        absent: reject,
        failed: reject,
      });
    });
    expect(await told).toBe(200);
    expect(client.names).toHaveLength(101);
    expect(most).toBeLessThanOrEqual(16);
  });

  it('keeps the addresses of targets that no server can tell of, and says so once', async () => {
    const answers = { first: [{ address: '10.0.0.1', ttl: 1 }], standby: [{ address: '10.0.0.2', ttl: 1 }] };
    const { client, clock, told } = setup('_http._tcp.reviews', (fake) => {
      fake.srv = [record('first'), record('standby', { priority: 2 })];
      for (const [name, records] of Object.entries(answers)) fake.targets.set(name, records);
    });
    await clock.advance(0);
    client.targets.set('first', 'ESERVFAIL');
    await clock.advance(20_000);
    const all = '10.0.0.1:8080,10.0.0.2:8080';
    expect(told).toEqual([all, '_http._tcp.reviews cannot be resolved in part: query ESERVFAIL']);
    for (const name of Object.keys(answers)) client.targets.set(name, 'ETIMEOUT');
    await clock.advance(20_000);
    expect(told).toHaveLength(2);
    client.targets.set('first', answers.first);
    client.targets.set('standby', 'ENOTFOUND');
    await clock.advance(5_000);
    expect(told.slice(2)).toEqual(['10.0.0.1:8080']);
    // It was well in between.
    client.targets.set('first', 'ESERVFAIL');
    await clock.advance(5_000);
    expect(told.slice(3)).toEqual([expect.stringContaining('in part')]);
  });

  it('asks for a target again when its addresses have expired, and not before', async () => {
    const { client, clock } = setup('_http._tcp.reviews', (fake) => {
      fake.srv = [record('short'), record('long'), record('none')];
      fake.targets.set('short', [{ address: '10.0.0.1', ttl: 0 }]);
      fake.targets.set('long', [{ address: '10.0.0.2', ttl: 12 }]);
    });
    const asked = async (advanceMs: number) => {
      client.names.length = 0;
      await clock.advance(advanceMs);
      return client.names.join();
    };
    const service = 'SRV _http._tcp.reviews';
    await clock.advance(0);
    expect(await asked(5_000)).toBe(`${service},short,none`);
    expect(await asked(5_000)).toBe(`${service},short,none`);
    expect(await asked(5_000)).toBe(`${service},short,long,none`);
    // A target that comes back is a new one.
    client.srv = [record('short')];
    await clock.advance(5_000);
    client.srv = [record('short'), record('long')];
    expect(await asked(5_000)).toBe(`${service},short,long`);
  });

  it('asks again after 5 s, because nothing says how long service records count', async () => {
    const { client, clock, told } = setup('_http._tcp.reviews', (fake) => {
      fake.srv = [record('a')];
      fake.a = [{ address: '10.0.0.1', ttl: 600 }];
    });
    await clock.advance(4_999);
    expect(client.queries).toBe(1);
    client.srv = [record('a', { weight: 7 })];
    await clock.advance(1);
    expect(told).toEqual(['10.0.0.1:8080', '10.0.0.1:8080']);
  });

  it('asks for addresses alone unless it is told otherwise', async () => {
    const { client, clock, told } = setup('reviews.service.consul', (fake) => {
      fake.srv = [record('a')];
      fake.a = [{ address: '10.0.0.1', ttl: 60 }];
    });
    await clock.advance(0);
    expect(told).toEqual(['10.0.0.1:80']);
    expect(client.names).toEqual(['reviews.service.consul']);
  });

  it.each([
    ['reviews.service.consul', [record('a')], '10.0.0.9:8080'],
    // Without service records its addresses count.
    ['reviews.service.consul', 'ENODATA', '10.0.0.1:80'],
    ['reviews.service.consul', 'ENOTFOUND', '10.0.0.1:80'],
    ['reviews.service.consul', 'ESERVFAIL', 'reviews.service.consul cannot be resolved: query ESERVFAIL'],
    // It says that it is not available.
    ['reviews.service.consul', [record('')], 'absent'],
    // The port is known.
    ['reviews.service.consul:81', [record('a')], '10.0.0.1:81'],
  ])('asks for service records first where it is told to: %s with %j', async (service, srv, expected) => {
    const prepare = (fake: FakeDns) => {
      fake.srv = srv;
      fake.a = [{ address: '10.0.0.1', ttl: 60 }];
      fake.targets.set('a', [{ address: '10.0.0.9', ttl: 60 }]);
    };
    const { clock, told } = setup(service, prepare, 'srv');
    await clock.advance(0);
    expect(told).toEqual([expected]);
  });

  it('never takes the addresses of a name that begins with _', async () => {
    const { client, clock, told } = setup('_http._tcp.reviews', (fake) => {
      fake.a = [{ address: '10.0.0.1', ttl: 60 }];
    });
    await clock.advance(0);
    expect(told).toEqual(['absent']);
    expect(client.names).toEqual(['SRV _http._tcp.reviews']);
  });

  it('is a host that a mesh can fetch from', async () => {
    const server = createServer((_, response) => response.end('hello')).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const client = new FakeDns();
    client.srv = [record('a', { port: (server.address() as { port: number }).port })];
    client.targets.set('a', [{ address: '127.0.0.1', ttl: 60 }]);
    const registry = new DnsRegistry({ client, clock: systemClock, random: seededRandom(1) });
    const mesh = await createMesh({ service: 'test', registry });
    const response = await mesh.fetch('http://_http._tcp.reviews.example.com/');
    expect(await response.text()).toBe('hello');
    await mesh.close();
    server.close();
  });
});

describe('systemDnsClient', () => {
  it('knows localhost from the system, and asks nobody else when a server is given', async () => {
    expect(await systemDnsClient(undefined).lookup?.('localhost')).toEqual([
      expect.stringMatching(/^(127\.0\.0\.1|::1)$/),
    ]);
    expect(systemDnsClient('127.0.0.1:5353').lookup).toBeUndefined();
  });
});
