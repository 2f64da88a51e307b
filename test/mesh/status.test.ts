import { afterEach, describe, expect, it } from 'vitest';
import { makeEndpoint } from '../../src/core/endpoint.ts';
import { type VirtualMesh, virtualMesh } from './virtual-mesh.ts';

let virtual: VirtualMesh;
afterEach(() => virtual.close());

describe('mesh.status()', () => {
  it('says what is in force and how each endpoint does, as plain data', async () => {
    const opened = await virtualMesh(
      {
        services: [
          {
            host: 'Reviews',
            endpoints: [{ address: '[::1]:80', labels: { version: 'v1' }, locality: 'eu/a', weight: 3 }],
            trafficPolicy: { loadBalancer: { simple: 'RANDOM' }, circuitBreaker: {} },
          },
          { host: 'ratings' },
        ],
      },
      { defaultProfile: { latency: 100 } },
    );
    virtual = opened;
    const { mesh, registry, clock } = opened;
    await registry.setEndpoints('ratings', [makeEndpoint({ host: 'a', port: 1, state: 'draining' })]);
    const call = mesh.request('http://reviews/');
    await clock.advance(1);
    const endpoint = {
      labels: {},
      locality: '',
      weight: 1,
      state: 'serving',
      healthy: true,
      inFlight: 0,
      connections: 0,
    };
    const status = mesh.status();
    expect(status).toMatchObject({
      service: 'productpage',
      configuration: { registry: 'memory', version: '1', problems: [], warnings: [] },
      services: [
        {
          host: 'reviews',
          loadBalancer: 'RANDOM',
          circuitBreaker: 'closed',
          endpoints: [
            {
              ...endpoint,
              address: '[::1]:80',
              labels: { version: 'v1' },
              locality: 'eu/a',
              weight: 3,
              inFlight: 1,
              connections: 1,
            },
          ],
        },
        {
          host: 'ratings',
          loadBalancer: 'PEAK_EWMA',
          circuitBreaker: undefined,
          endpoints: [{ ...endpoint, address: 'a:1', state: 'draining' }],
        },
      ],
    });
    expect(JSON.parse(JSON.stringify(status)).services[0].endpoints[0].labels).toEqual({ version: 'v1' });
    await clock.advance(100);
    expect((await call).statusCode).toBe(200);
    expect(mesh.status().services[0]?.endpoints[0]?.inFlight).toBe(0);
    expect(status.services[0]?.endpoints[0]?.inFlight).toBe(1);
  });
});
