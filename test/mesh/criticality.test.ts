import { afterEach, describe, expect, it } from 'vitest';
import type { MeshDocument } from '../../src/config/schema.ts';
import type { CallOptions } from '../../src/core/call-options.ts';
import { criticalityHeader, parseCriticality } from '../../src/core/criticality.ts';
import type { MemoryRegistry } from '../../src/discovery/memory-registry.ts';
import { reviews, type TrafficPolicy, type VirtualMesh, virtualMesh } from './virtual-mesh.ts';

let virtual: VirtualMesh<MemoryRegistry>;
afterEach(() => virtual.close());

async function open(trafficPolicy: TrafficPolicy = {}, routes: MeshDocument['routes'] = []) {
  virtual = await virtualMesh({ services: [reviews(['10.0.0.1:80'], trafficPolicy)], routes });
}

/** What the server reads, for a call made while a request with `inbound` as its header is served. */
async function sent(options: CallOptions = {}, inbound?: string, headers: Record<string, string> = {}) {
  const { mesh, clock, network } = virtual;
  const request = { headers: inbound === undefined ? {} : { [criticalityHeader]: inbound } };
  const response = { writeHead() {}, once() {} };
  const call = new Promise<unknown>((resolve, reject) => {
    mesh.inbound()(request as never, response as never, () => {
      mesh.request('http://reviews/', { mesh: options, headers }).then(resolve, reject);
    });
  });
  await clock.advance(10);
  await call;
  const list = network.attempts.at(-1)?.headers ?? [];
  const values = list.filter((_, index) => index % 2 === 1 && list[index - 1] === criticalityHeader);
  expect(values.length).toBeLessThanOrEqual(1);
  return values[0];
}

describe('the criticality of a call', () => {
  it('is critical by default, which is not sent', async () => {
    await open();
    expect(await sent()).toBeUndefined();
    expect(await sent({ criticality: 'critical' })).toBeUndefined();
  });

  it.each(['sheddable', 'sheddable-plus', 'critical-plus'] as const)('is sent when it is %s', async (criticality) => {
    await open();
    expect(await sent({ criticality })).toBe(criticality);
  });

  it('is that of the inbound request, in any spelling', async () => {
    await open();
    expect(await sent({}, 'sheddable')).toBe('sheddable');
    expect(await sent({}, 'CRITICAL_PLUS')).toBe('critical-plus');
    expect(await sent({}, 'critical')).toBeUndefined();
  });

  it.each(['', 'CRITICAL_PLUS_PLUS', 'critical-plus, sheddable', '9', 'constructor', '__proto__'])(
    'is not raised by %j, which says nothing',
    async (value) => {
      await open();
      expect(await sent({}, value)).toBeUndefined();
    },
  );

  it('is rather what the call says, then the route, then the service, then what is inherited', async () => {
    const route = [{ destination: { host: 'reviews' } }];
    await open({ criticality: 'sheddable-plus' }, [{ hosts: ['batch'], http: [{ route, criticality: 'sheddable' }] }]);
    expect(await sent({}, 'critical-plus')).toBe('sheddable-plus');
    expect(await sent({ criticality: 'critical-plus' }, 'sheddable')).toBe('critical-plus');
    const { mesh, clock, network } = virtual;
    const call = mesh.request('http://batch/');
    await clock.advance(10);
    await call;
    expect(network.attempts.at(-1)?.headers).toContain('sheddable');
  });

  it('is not what a header of the program says: the mesh speaks for itself', async () => {
    await open();
    expect(await sent({}, undefined, { [criticalityHeader]: 'critical-plus' })).toBeUndefined();
    expect(await sent({ criticality: 'sheddable' }, undefined, { [criticalityHeader]: 'critical-plus' })).toBe(
      'sheddable',
    );
  });

  it('is the same in each attempt', async () => {
    await open({ retries: { max: 2 } });
    virtual.network.setProfile('10.0.0.1:80', { status: 503 });
    const { mesh, clock, network } = virtual;
    const call = mesh.request('http://reviews/', { mesh: { criticality: 'sheddable' } });
    await clock.advance(1_000);
    await call;
    expect(network.attempts.map(({ headers }) => headers.includes('sheddable'))).toEqual([true, true, true]);
  });

  it('is one of four', async () => {
    await open();
    await expect(
      virtual.mesh.request('http://reviews/', { mesh: { criticality: 'high' as 'critical' } }),
    ).rejects.toMatchObject({
      code: 'INMESH_OPTION',
      message: 'option criticality is high; allowed are sheddable, sheddable-plus, critical, critical-plus',
    });
    expect(parseCriticality(['sheddable', 'critical'])).toBeUndefined();
  });
});
