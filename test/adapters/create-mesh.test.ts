import type { ServerResponse } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { createMesh } from '../../src/index.ts';
import { Bench } from './bench.ts';

const bench = new Bench();
afterEach(() => bench.close());

const url = 'http://reviews/';

/** A server that answers when it is told to. */
async function waiting() {
  const responses: ServerResponse[] = [];
  let arrived!: () => void;
  const first = new Promise<void>((resolve) => {
    arrived = resolve;
  });
  const { address } = await bench.server((_request, response) => {
    responses.push(response);
    arrived();
  });
  return { responses, first, mesh: await bench.mesh([address]) };
}

describe('mesh.close', () => {
  it('refuses new calls, and waits for those under way to their last byte', async () => {
    const { mesh, responses, first } = await waiting();
    const call = mesh.request(url).then(({ body }) => body.text());
    await first;
    let closed = false;
    const closing = mesh.close().then(() => {
      closed = true;
    });
    await expect(mesh.request(url)).rejects.toMatchObject({ code: 'INMESH_CLOSED' });
    await expect(mesh.fetch(url)).rejects.toMatchObject({ cause: { code: 'INMESH_CLOSED' } });
    responses[0]?.write('a');
    expect(closed).toBe(false);
    responses[0]?.end('b');
    expect(await call).toBe('ab');
    await closing;
  });

  it('ends what is not over in time, before and after the head, and sends nothing again', async () => {
    const { mesh, responses, first } = await waiting();
    const silent = mesh.request(url).catch((error) => error);
    await first;
    const half = mesh.fetch(url);
    while (responses.length < 2) await new Promise((resolve) => setImmediate(resolve));
    responses[1]?.write('half');
    const text = (await half).text().catch((error) => error);
    await mesh.close({ timeoutMs: 20 });
    expect(await silent).toMatchObject({ code: 'INMESH_CLOSED' });
    expect(await text).toMatchObject({ name: 'TypeError', cause: { code: 'INMESH_CLOSED' } });
    expect(responses).toHaveLength(2);
  });

  it('is done once, however often it is called', async () => {
    const { mesh } = await waiting();
    const closing = mesh.close();
    expect(mesh.close()).toBe(closing);
    await closing;
  });
});

describe('mesh.with', () => {
  it('lays overrides over overrides', async () => {
    const { mesh } = await waiting();
    const view = mesh.with({ timeoutMs: 10_000, retries: 0 }).with({ timeoutMs: 20 });
    await expect(view.request(url)).rejects.toMatchObject({ code: 'INMESH_TIMEOUT' });
    await expect(view.fetch(url, { mesh: { headTimeoutMs: 10 } })).rejects.toMatchObject({
      cause: { code: 'INMESH_HEAD_TIMEOUT' },
    });
  });

  it('refuses wrong options at once', async () => {
    const { mesh } = await waiting();
    expect(() => mesh.with({ timeout: 5 } as never)).toThrow(/unknown option timeout/);
    expect(() => mesh.with({ hashKey: 7 } as never)).toThrow(/option hashKey is number/);
  });
});

describe('createMesh', () => {
  it.each<[string, object, string]>([
    ['no service', { registry: {} }, 'INMESH_OPTION'],
    ['an unknown option', { service: 'a', registry: {}, retries: 1 }, 'INMESH_OPTION'],
    ['a registry that is none', { service: 'a', registry: 'nowhere' }, 'INMESH_OPTION'],
    ['a document that is wrong', { service: 'a', registry: { services: [{ host: 5 }] } }, 'INMESH_CONFIG'],
    [
      'a file that is not there',
      { service: 'a', registry: 'file:/nowhere.yaml', readyTimeoutMs: 50 },
      'INMESH_REGISTRY',
    ],
    ['a snapshot without a path', { service: 'a', registry: {}, snapshot: '' }, 'INMESH_OPTION'],
    ['handleSignals that is no boolean', { service: 'a', registry: {}, handleSignals: 1 }, 'INMESH_OPTION'],
  ])('refuses %s', async (_name, options, code) => {
    await expect(createMesh(options as never)).rejects.toMatchObject({ code });
  });
});

it('null for options is told as a wrong option, or taken for none', async () => {
  await expect(createMesh(null as never)).rejects.toMatchObject({ code: 'INMESH_OPTION' });
  const mesh = await createMesh({ service: 'a', registry: {} });
  expect(() => mesh.with(null as never)).toThrow(/options are null/);
  expect(await mesh.command('a', () => 1, null as never)).toBe(1);
  mesh.install(null as never)();
  await mesh.close(null as never);
});
