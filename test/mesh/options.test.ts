import { afterEach, describe, expect, it } from 'vitest';
import type { MeshOptions } from '../../src/index.ts';
import { createMesh, isMeshError } from '../../src/index.ts';
import { Bench, echo } from '../adapters/bench.ts';

const bench = new Bench();
afterEach(() => bench.close());

const valid = { service: 'productpage', registry: { services: [] } };

async function refusal(options: object): Promise<unknown> {
  return createMesh({ ...valid, ...options } as MeshOptions).then(
    (mesh) => mesh.close(),
    (error: unknown) => error,
  );
}

describe('createMesh refuses, naming option, value and what is allowed:', () => {
  it.each<[object, string]>([
    [{ service: undefined }, 'option service is undefined; allowed is the name of this service'],
    [{ service: '' }, 'option service is ""; allowed is the name of this service'],
    [{ service: 5 }, 'option service is 5; allowed is the name of this service'],
    [{ registry: undefined }, 'option registry is undefined; allowed: an address that starts with file:, dns:'],
    [{ registry: null }, 'option registry is null; allowed'],
    [{ registry: 42 }, 'option registry is 42; allowed'],
    [{ registry: 'mesh.yaml' }, 'option registry is a text without a known scheme; allowed'],
    [{ registry: 'ftp://secret@host' }, 'option registry is "ftp:…"; allowed'],
    [{ registry: 'file:' }, 'option registry is file: without a path; allowed: file:./mesh.yaml'],
    [{ registry: 'file://host/mesh.yaml' }, 'option registry: file://host/mesh.yaml; allowed: file:./path'],
    [{ registry: 'dns://example' }, 'option registry: dns: the server is no IP address; allowed: dns://127.0.0.1:53'],
    [{ registry: 'dns:x' }, 'option registry: not an address of dns:; allowed: dns: or dns://127.0.0.1:53'],
    [{ tracing: 'on' }, 'option tracing is on; allowed are mesh, defer, off'],
    [{ readyTimeoutMs: 0 }, 'option readyTimeoutMs is 0; allowed are numbers above 0 (ms)'],
    [{ readyTimeoutMs: Number.NaN }, 'option readyTimeoutMs is NaN; allowed'],
    [{ readyTimeoutMs: '5s' }, 'option readyTimeoutMs is 5s; allowed'],
    [{ instance: { index: 3, count: 3 } }, 'option instance is {"index":3,"count":3}; allowed is { index, count }'],
    [{ clock: {} }, 'option clock is object; allowed is a Clock'],
    [{ random: Math.random }, 'option random is function; allowed is a Random'],
    [
      { timeout: 5 },
      'unknown option timeout; known are service, registry, locality, instance, snapshot, handleSignals, tracing',
    ],
    [{ defaults: 5 }, 'option defaults is 5; allowed is an object'],
    [{ defaults: { timeoutMs: -1 } }, 'option timeoutMs is -1; allowed are numbers above 0 (ms) or false'],
    [{ defaults: { headTimeoutMs: '1s' } }, 'option headTimeoutMs is 1s; allowed'],
    [{ defaults: { bodyIdleMs: 0 } }, 'option bodyIdleMs is 0; allowed'],
    [{ defaults: { perTryTimeoutMs: Number.NaN } }, 'option perTryTimeoutMs is NaN; allowed'],
    [{ defaults: { inheritDeadline: 1 } }, 'option inheritDeadline is number; allowed is boolean'],
    [{ defaults: { idempotent: 'yes' } }, 'option idempotent is string; allowed is boolean'],
    [{ defaults: { subset: 1 } }, 'option subset is number; allowed is string'],
    [{ defaults: { fallback: 'x' } }, 'option fallback is string; allowed is function'],
    [{ defaults: { retries: 11 } }, 'option retries is 11; allowed are 0–10 or false'],
    [{ defaults: { retries: -1 } }, 'option retries is -1; allowed'],
    [{ defaults: { retries: 1.5 } }, 'option retries is 1.5; allowed'],
    [{ defaults: { retries: true } }, 'option retries is true; allowed are 0–10, false or an object'],
    [{ defaults: { retries: { max: 99 } } }, 'option retries is 99; allowed'],
    [{ defaults: { retries: { on: ['timeout'] } } }, 'option retries.on has timeout; allowed are connect-failure'],
    [{ defaults: { retries: { on: ['99'] } } }, 'option retries.on has 99; allowed'],
    [{ defaults: { retries: { backoff: 50 } } }, 'option retries.backoff is number; allowed is a backoff of cockatiel'],
    [{ defaults: { policy: {} } }, 'option policy is object; allowed is a policy of cockatiel'],
    [{ defaults: { hashKey: 7 } }, 'option hashKey is number; allowed is string'],
    [{ defaults: { timeout: 5 } }, 'unknown option timeout; known are timeoutMs'],
  ])('%o', async (options, message) => {
    const error = await refusal(options);
    expect(isMeshError(error, 'INMESH_OPTION'), String(error)).toBe(true);
    expect((error as Error).message).toContain(message);
  });
});

describe('createMesh', () => {
  it('takes undefined for what may be missing', async () => {
    const missing = { tracing: undefined, readyTimeoutMs: undefined, defaults: undefined, clock: undefined };
    expect(await refusal(missing)).toBeUndefined();
  });

  it('lets its defaults hold for calls unless a document or the call says otherwise', async () => {
    const { address } = await bench.server(() => {});
    const mesh = await bench.mesh([address], { headTimeout: '40ms' }, { defaults: { headTimeoutMs: 10, retries: 0 } });
    const messageOf = (overrides: object) =>
      mesh.request('http://reviews/', { mesh: overrides }).catch((error: Error) => error.message);
    expect(await messageOf({})).toContain('headTimeoutMs 40');
    expect(await messageOf({ headTimeoutMs: 20 })).toContain('headTimeoutMs 20');
  });

  it('tells wrong overrides of a view when it is made, and those of a call when it is', async () => {
    const { address } = await bench.server(echo);
    const mesh = await bench.mesh([address]);
    expect(() => mesh.with({ timeoutMs: 0 })).toThrow('option timeoutMs is 0');
    await expect(mesh.request('http://reviews/', { mesh: { timeoutMs: 0 } })).rejects.toThrow('option timeoutMs is 0');
    const failed = await mesh.fetch('http://reviews/', { mesh: { timeoutMs: 0 } }).catch((error: unknown) => error);
    expect(failed).toBeInstanceOf(TypeError);
    expect(isMeshError(failed, 'INMESH_OPTION')).toBe(true);
  });
});
