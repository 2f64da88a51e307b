import { describe, expect, it } from 'vitest';
import { endpointKey } from '../../src/core/endpoint.ts';
import { isMeshError } from '../../src/core/errors.ts';
import { seededRandom } from '../../src/core/random.ts';
import { DnsRegistry } from '../../src/discovery/dns-registry.ts';
import type { AddressRecord, DnsClient } from '../../src/discovery/dns-resolver.ts';
import { systemDnsClient } from '../../src/discovery/dns-resolver.ts';
import type { EndpointChange, Sink, Watch } from '../../src/discovery/registry.ts';
import { VirtualClock } from '../../src/testing/virtual-clock.ts';
import { registryContract } from '../contracts/registry-contract.ts';

function dnsError(code: string): Error {
  return Object.assign(new Error(`query ${code}`), { code });
}

/** Answers what it is told to. */
class FakeDns implements DnsClient {
  a: readonly AddressRecord[] | string = 'ENOTFOUND';
  aaaa: readonly AddressRecord[] | string = 'ENODATA';
  hosts: readonly string[] | string = 'ENOTFOUND';
  queries = 0;
  cancelled = false;

  async resolve4(): Promise<readonly AddressRecord[]> {
    this.queries++;
    return this.answer(this.a);
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

interface Setup {
  readonly client: FakeDns;
  readonly clock: VirtualClock;
  readonly registry: DnsRegistry;
  /** What was told: addresses, `absent` or the message of an error. */
  readonly told: string[];
  readonly watch: Watch;
}

function setup(service: string, prepare: (client: FakeDns) => void = () => {}): Setup {
  const [client, clock, told] = [new FakeDns(), new VirtualClock(), [] as string[]];
  prepare(client);
  const registry = new DnsRegistry({ client, clock, random: seededRandom(1) });
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
    expect(() => new DnsRegistry({ ...parts, server: 'dns.example:53' })).toThrow('DNS server dns.example:53');
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
