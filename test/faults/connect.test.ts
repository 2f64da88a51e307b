import { createServer } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { Bench, echo } from '../adapters/bench.ts';
import { guardTests } from './guard-tests.ts';
import { silentAddress } from './silent-address.ts';

const bench = new Bench();
afterEach(() => bench.close());
guardTests();

const url = 'http://reviews/';

/** An address at which nobody listens. */
async function closedAddress(): Promise<string> {
  const { server, address } = await bench.listen(createServer());
  await new Promise((resolve) => server.close(resolve));
  return address;
}

describe('a connection that is refused', () => {
  it('is INMESH_CONNECT, and counts no attempt', async () => {
    const mesh = await bench.mesh([await closedAddress()]);
    await expect(mesh.request(url)).rejects.toMatchObject({
      code: 'INMESH_CONNECT',
      attempts: expect.any(Number),
      service: 'reviews',
    });
  });

  it.each(['GET', 'POST'])('sends a %s to another endpoint, without a retry', async (method) => {
    const { address } = await bench.server(echo);
    const mesh = await bench.mesh([await closedAddress(), await closedAddress(), address], { retries: { max: 0 } });
    for (let round = 0; round < 10; round++) {
      const { statusCode, body } = await mesh.request(url, {
        method,
        ...(method === 'POST' ? { body: 'x' } : undefined),
      });
      expect(statusCode).toBe(200);
      await body.dump();
    }
  });

  it('keeps a stream for the endpoint that takes it', async () => {
    const { address } = await bench.server(echo);
    const mesh = await bench.mesh([await closedAddress(), address], { loadBalancer: { simple: 'ROUND_ROBIN' } });
    for (let round = 0; round < 4; round++) {
      async function* stream() {
        yield Buffer.from('a');
        yield Buffer.from('b');
      }
      const { body } = await mesh.request(url, { method: 'POST', body: stream() });
      expect(await body.json()).toMatchObject({ body: 'ab' });
    }
  });
});

describe('a name that cannot be resolved', () => {
  it('is INMESH_CONNECT', async () => {
    const mesh = await bench.mesh(['nobody.invalid:80']);
    await expect(mesh.request(url)).rejects.toMatchObject({ code: 'INMESH_CONNECT' });
  });
});

describe('a connection that nobody answers', () => {
  it('is INMESH_CONNECT after connectTimeout, and another endpoint is asked', async () => {
    const silent = await silentAddress(bench);
    const { address } = await bench.server(echo);
    const policy = { connectionPool: { tcp: { connectTimeout: '50ms' } }, retries: { max: 0 } } as const;
    const alone = await bench.mesh([silent], policy);
    await expect(alone.request(url)).rejects.toMatchObject({
      code: 'INMESH_CONNECT',
      message: expect.stringContaining('connectTimeout 50 ms'),
    });
    const mesh = await bench.mesh([silent, address], { ...policy, loadBalancer: { simple: 'ROUND_ROBIN' } });
    for (let round = 0; round < 2; round++) {
      const { statusCode } = await mesh.request(url, { method: 'POST', body: 'x' });
      expect(statusCode).toBe(200);
    }
  });

  it('does not outlast the limits of the call', async () => {
    const mesh = await bench.mesh([await silentAddress(bench)]);
    await expect(mesh.request(url, { mesh: { headTimeoutMs: 40 } })).rejects.toMatchObject({
      code: 'INMESH_HEAD_TIMEOUT',
    });
    await expect(mesh.request(url, { mesh: { timeoutMs: 40 } })).rejects.toMatchObject({ code: 'INMESH_TIMEOUT' });
    const perTry = mesh.request(url, { mesh: { perTryTimeoutMs: 40, retries: 0 } });
    await expect(perTry).rejects.toMatchObject({ code: 'INMESH_ATTEMPT_TIMEOUT' });
  });

  it('is given up with the signal, and the mesh closes soon after', async () => {
    const mesh = await bench.mesh([await silentAddress(bench)]);
    await expect(mesh.fetch(url, { signal: AbortSignal.timeout(20) })).rejects.toMatchObject({ name: 'TimeoutError' });
    // Within the time of this test, which is shorter than connectTimeout.
    await mesh.close();
  });
});
