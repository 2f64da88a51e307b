import { describe, expect, it, vi } from 'vitest';
import { isMeshError } from '../../src/core/errors.ts';
import { simulateMesh } from '../../src/testing/index.ts';

const document = { services: [{ host: 'reviews', endpoints: [{ address: '10.0.0.1:80' }] }] };

describe('simulateMesh', () => {
  it('runs an hour in no time', async () => {
    const simulation = await simulateMesh({ document, seed: 1, defaultProfile: { latency: 3_600_000 } });
    const reply = simulation.request('http://reviews/', { mesh: { headTimeoutMs: false } });
    await simulation.advance(3_600_000);
    expect((await reply).statusCode).toBe(200);
    await simulation.close();
    simulation.check();
  });

  it('says with its seed what breaks a rule', async () => {
    const simulation = await simulateMesh({ document, seed: 77 });
    simulation.begin({ host: 'reviews', method: 'GET', idempotent: true, timeoutMs: 10 });
    await simulation.close();
    expect(() => simulation.check()).toThrow('seed 77:\ncall 77.1 (GET reviews, started at 0) settled 0 times');
  });

  it('finds what is left of a mesh', async () => {
    const simulation = await simulateMesh({ document, seed: 1 });
    await simulation.close();
    simulation.clock.setTimer(() => {}, 1);
    expect(simulation.problems()).toEqual(['1 timers are pending, 0 of them background timers']);
  });

  it('changes the document while the mesh runs, and keeps the last good one', async () => {
    const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    const simulation = await simulateMesh({ document, seed: 1 });
    const hosts = () => simulation.mesh.status().services.map(({ host }) => host);
    expect(await simulation.reconfigure({ services: [...document.services, { host: 'ratings' }] })).toEqual({
      accepted: true,
    });
    expect(hosts()).toEqual(['reviews', 'ratings']);
    expect(await simulation.reconfigure({ services: [{ host: 'no host' }] })).toMatchObject({ accepted: false });
    expect(hosts()).toEqual(['reviews', 'ratings']);
    await simulation.close();
    warned.mockRestore();
  });

  it('lets the registry name other endpoints, and leaves them to the document again', async () => {
    const simulation = await simulateMesh({ document, seed: 1 });
    const addresses = () => simulation.mesh.status().services[0]?.endpoints.map(({ address }) => address);
    await simulation.setEndpoints('reviews', ['10.0.0.2:80', '10.0.0.3:80']);
    expect(addresses()).toEqual(['10.0.0.2:80', '10.0.0.3:80']);
    await simulation.setEndpoints('reviews', undefined);
    expect(addresses()).toEqual(['10.0.0.1:80']);
    const refused = await simulation.setEndpoints('reviews', ['nowhere']).catch((error: unknown) => error);
    expect(isMeshError(refused, 'INMESH_OPTION')).toBe(true);
    await simulation.close();
    simulation.check();
  });
});
