import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { type Endpoint, endpointKey } from '../../src/core/endpoint.ts';
import { seededRandom } from '../../src/core/random.ts';
import { DnsRegistry } from '../../src/discovery/dns/dns-registry.ts';
import { systemDnsClient } from '../../src/discovery/dns/dns-resolver.ts';
import { VirtualClock } from '../../src/testing/virtual-clock.ts';
import { registryContract } from '../contracts/registry-contract.ts';
import { EndpointRecorder } from '../discovery/endpoint-recorder.ts';
import { startConsul } from './consul-server.ts';
import { type DnsmasqServer, startDnsmasq } from './dnsmasq-server.ts';
import { hasServer } from './server-process.ts';

/** Asks as often as a test wants, and not as rarely as a process does. */
const quick = { clock: systemClock, minTtlMs: 10, backoffMs: 10, maxBackoffMs: 20 };

function lines(name: string, addresses: readonly string[]): readonly string[] {
  return addresses.map((address) => `${address.replace(/:\d+$/, '')} ${name}`);
}

describe.skipIf(!hasServer('dnsmasq'))('DnsRegistry with dnsmasq', () => {
  registryContract(
    'DnsRegistry with dnsmasq',
    async () => {
      const server = await startDnsmasq();
      const registry = new DnsRegistry({ ...quick, random: seededRandom(1), server: server.host });
      const recorder = new EndpointRecorder();
      let isDown = false;
      const start = async () => {
        isDown = false;
        await server.process.start();
      };
      const stop = async () => {
        isDown = true;
        await server.process.kill();
      };
      return {
        registry,
        watch: (sink) =>
          registry.watchEndpoints('reviews.test:80', {
            set: (change, version) => {
              void recorder.sink.set(change, version);
              return sink.set([...recorder.endpoints.keys()], version);
            },
            absent: (version) => sink.absent(version),
            failed: (error) => sink.failed(error),
          }),
        publish: async (addresses) => {
          await server.setHosts(lines('reviews.test', addresses));
          if (isDown) await start();
        },
        publishNonsense: stop,
        tick: async () => {},
        disconnect: stop,
        reconnect: start,
        restart: async () => {
          await stop();
          await start();
        },
        dispose: () => server.dispose(),
      };
    },
    20_000,
  );

  async function withServer(
    run: (server: DnsmasqServer) => Promise<void>,
    configuration: readonly string[] = [],
    ttlSeconds = 0,
  ): Promise<void> {
    const server = await startDnsmasq(configuration, ttlSeconds);
    await run(server).finally(() => server.dispose());
  }

  function watch(server: string, service: string, records: 'address' | 'srv' = 'address') {
    const registry = new DnsRegistry({ ...quick, random: seededRandom(1), server, records });
    const recorder = new EndpointRecorder();
    registry.watchEndpoints(service, recorder.sink);
    return { recorder, close: () => registry.close() };
  }

  it('prefers A records, and takes AAAA records where there are no others', () =>
    withServer(async (server) => {
      await server.setHosts(['fd00::1 reviews.test', '10.0.0.1 both.test', 'fd00::1 both.test']);
      const [six, both] = [watch(server.host, 'reviews.test:80'), watch(server.host, 'both.test')];
      await six.recorder.until('[fd00::1]:80');
      await both.recorder.until('10.0.0.1:80');
      await server.setHosts(['10.0.0.2 reviews.test', 'fd00::1 reviews.test']);
      await six.recorder.until('10.0.0.2:80');
      await Promise.all([six.close(), both.close()]);
    }));

  it('says that a name does not exist, and finds it when it does', () =>
    withServer(async (server) => {
      const { recorder, close } = watch(server.host, 'reviews.test');
      await recorder.until('absent');
      await server.setHosts(['10.0.0.1 reviews.test']);
      await recorder.until('10.0.0.1:80');
      await server.setHosts([]);
      await recorder.until('absent');
      await close();
    }));

  it('asks again when the time to live of the server is over', () =>
    withServer(
      async (server) => {
        const clock = new VirtualClock();
        const client = systemDnsClient(server.host);
        const asked: Promise<unknown>[] = [];
        const counting = {
          ...client,
          resolve4: (name: string) => {
            const answer = client.resolve4(name);
            asked.push(answer);
            return answer;
          },
        };
        await server.setHosts(['10.0.0.1 reviews.test']);
        const registry = new DnsRegistry({ clock, random: seededRandom(1), client: counting });
        const recorder = new EndpointRecorder();
        registry.watchEndpoints('reviews.test', recorder.sink);
        await recorder.until('10.0.0.1:80');
        await clock.advance(29_999);
        expect(asked).toHaveLength(1);
        await clock.advance(1);
        expect(asked).toHaveLength(2);
        await Promise.allSettled(asked);
        await registry.close();
      },
      [],
      30,
    ));

  it('takes ports, weights and priorities of service records', () =>
    withServer(
      async (server) => {
        await server.setHosts(['10.0.0.1 a.test', '10.0.0.2 a.test', 'fd00::3 b.test', '10.0.0.4 c.test']);
        const { recorder, close } = watch(server.host, '_http._tcp.reviews.test');
        await recorder.until('10.0.0.1:8080,10.0.0.2:8080,10.0.0.4:8082,[fd00::3]:8081');
        const weights = [...recorder.endpoints].map(([key, { weight, labels }]) => [key, weight, labels.priority]);
        expect(weights.sort()).toEqual([
          ['10.0.0.1:8080', 3, '5'],
          ['10.0.0.2:8080', 3, '5'],
          ['10.0.0.4:8082', 0, '9'],
          ['[fd00::3]:8081', 1, '5'],
        ]);
        // Service records are of its configuration, which it reads when it starts.
        server.setConfiguration(['srv-host=_http._tcp.reviews.test,c.test,8082,9,7']);
        await server.process.kill();
        await recorder.until('cannot be resolved');
        await server.process.start();
        await recorder.until('10.0.0.4:8082');
        expect((recorder.endpoints.get('10.0.0.4:8082') as Endpoint).weight).toBe(7);
        await close();
      },
      [
        'srv-host=_http._tcp.reviews.test,a.test,8080,5,3',
        'srv-host=_http._tcp.reviews.test,b.test,8081,5,0',
        'srv-host=_http._tcp.reviews.test,c.test,8082,9,7',
        'srv-host=_http._tcp.reviews.test,nobody.test,8083,1,1',
      ],
    ));

  it('knows a service that is decidedly not available', () =>
    withServer(
      async (server) => {
        await server.setHosts(['10.0.0.1 reviews.test']);
        const { recorder, close } = watch(server.host, 'reviews.test', 'srv');
        await recorder.until('absent');
        await close();
      },
      // Without a target dnsmasq answers with the dot.
      ['srv-host=reviews.test'],
    ));

  it('asks for service records first, and for addresses where there are none', () =>
    withServer(
      async (server) => {
        await server.setHosts(['10.0.0.1 reviews.test', '10.0.0.2 ratings.test']);
        const reviews = watch(server.host, 'reviews.test', 'srv');
        const ratings = watch(server.host, 'ratings.test', 'srv');
        await reviews.recorder.until('10.0.0.2:8080');
        await ratings.recorder.until('10.0.0.2:80');
        await Promise.all([reviews.close(), ratings.close()]);
      },
      ['srv-host=reviews.test,ratings.test,8080,1,1'],
    ));
});

describe.skipIf(!hasServer('consul'))('DnsRegistry with the DNS of Consul', () => {
  it('finds the port of a service in its service records', async () => {
    const consul = await startConsul();
    await consul.send('PUT', '/v1/agent/service/register', {
      ID: 'a',
      Name: 'reviews',
      Address: '10.0.0.1',
      Port: 9080,
      Weights: { Passing: 3, Warning: 1 },
    });
    const server = `127.0.0.1:${consul.dnsPort}`;
    const registry = new DnsRegistry({ ...quick, random: seededRandom(1), server, records: 'srv' });
    const recorder = new EndpointRecorder();
    registry.watchEndpoints('reviews.service.consul', recorder.sink);
    await recorder.until('10.0.0.1:9080');
    expect([...recorder.endpoints.values()].map((one) => [endpointKey(one), one.weight])).toEqual([
      ['10.0.0.1:9080', 3],
    ]);
    await consul.send('PUT', '/v1/agent/service/deregister/a');
    await recorder.until('absent');
    await registry.close();
    await consul.dispose();
  });
});
