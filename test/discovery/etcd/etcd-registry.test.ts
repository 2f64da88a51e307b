import { afterEach, describe, expect, it, vi } from 'vitest';
import { isMeshError } from '../../../src/core/errors.ts';
import { seededRandom } from '../../../src/core/random.ts';
import { EtcdRegistry } from '../../../src/discovery/etcd/etcd-registry.ts';
import { openRegistry } from '../../../src/discovery/open-registry.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';
import { EndpointRecorder } from '../endpoint-recorder.ts';
import { reply, startFakeEtcdGateway } from './fake-etcd-gateway.ts';

const parts = { clock: new VirtualClock(), random: seededRandom(1) };
let registry: EtcdRegistry | undefined;

afterEach(() => registry?.close());

describe('the address of an etcd registry', () => {
  it.each([
    ['etcd://127.0.0.1', 'etcd://127.0.0.1:2379/inmesh'],
    ['etcd://a:1,b/shop/mesh/', 'etcd://a:1,b:2379/shop/mesh'],
    ['ETCD://web:s3cret@a', 'etcd://a:2379/inmesh'],
    ['etcd://a?tls=true&ca=/ca.pem&serverName=etcd.test', 'etcd://a:2379/inmesh'],
  ])('%s is that of %s', async (address, name) => {
    const opened = openRegistry(address, parts);
    expect(opened.name).toBe(name);
    expect(opened.store).toBeDefined();
    await opened.close();
  });

  it.each([
    ['//', 'not an address of etcd://'],
    ['//web@a', 'a user without a password'],
    ['//:s3cret@a', 'the other way round'],
    ['//a?ca=s3cret', 'parameter ca without tls=true'],
    ['//a?tls=false&key=s3cret', 'parameter key without tls=true'],
    ['//a?tls=perhaps', 'neither true nor false'],
    ['//a?token=s3cret', 'unknown parameter token'],
    ['//a/shop%00', 'a control character in the prefix'],
  ])('is not %s', (address, message) => {
    try {
      new EtcdRegistry({ ...parts, address });
      expect.fail('it was taken');
    } catch (error) {
      expect(isMeshError(error, 'INMESH_OPTION')).toBe(true);
      expect(String(error)).toContain(message);
      expect(String(error)).not.toContain('s3cret');
    }
  });
});

describe('EtcdRegistry', () => {
  it('tells nothing of a service whose watch was closed while it was read', async () => {
    const answers: (() => void)[] = [];
    const gateway = await startFakeEtcdGateway((_, response) => {
      answers.push(() => reply(response, 200, { header: { revision: '7' } }));
    });
    registry = new EtcdRegistry({ ...parts, address: `//${gateway.host}` });
    const recorder = new EndpointRecorder();
    const watch = registry.watchEndpoints('reviews', recorder.sink);
    await vi.waitUntil(() => answers.length === 1);
    watch.close();
    const second = registry.watchEndpoints('reviews', recorder.sink);
    await vi.waitUntil(() => answers.length === 2);
    for (const answer of answers) answer();
    await recorder.until('absent');
    expect(recorder.told).toEqual(['absent']);
    second.close();
    await gateway.dispose();
  });

  it('tells a watch that begins after its end that it is closed, and asks nothing', async () => {
    registry = new EtcdRegistry({ ...parts, address: '//127.0.0.1:1' });
    await registry.close();
    const recorder = new EndpointRecorder();
    registry.watchEndpoints('reviews', recorder.sink);
    await recorder.until('inmesh/endpoints/reviews/: the registry is closed');
    expect(recorder.told).toHaveLength(1);
  });

  it('reads few services at once', async () => {
    const answers: (() => void)[] = [];
    const gateway = await startFakeEtcdGateway((_, response) => {
      answers.push(() => reply(response, 200, { header: { revision: '7' } }));
    });
    registry = new EtcdRegistry({ ...parts, address: `//${gateway.host}` });
    const recorders = Array.from({ length: 20 }, () => new EndpointRecorder());
    for (const [at, recorder] of recorders.entries()) registry.watchEndpoints(`service-${at}`, recorder.sink);
    await vi.waitUntil(() => answers.length > 0);
    let most = 0;
    await vi.waitUntil(
      () => {
        most = Math.max(most, answers.length);
        for (const answer of answers.splice(0)) answer();
        return recorders.every(({ last }) => last === 'absent');
      },
      { interval: 1 },
    );
    expect(most).toBeLessThanOrEqual(4);
    await registry.close();
    await gateway.dispose();
  });
});
