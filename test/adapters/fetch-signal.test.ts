import { once } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { MeshError } from '../../src/core/errors.ts';
import { Bench } from './bench.ts';
import { rejection } from './rejection.ts';

const bench = new Bench();
afterEach(() => bench.close());

const url = 'http://reviews/1';

describe('the signal of mesh.fetch', () => {
  const reason = new Error('enough', {
    cause: Object.assign(new Error('inner'), { [Symbol.for('inmesh.error')]: true }),
  });

  it('that is aborted already sends nothing, and cancels the body', async () => {
    let requests = 0;
    const mesh = await bench.meshTo((_request, response) => {
      requests++;
      response.end();
    });
    let cancelled = 0;
    const body = new ReadableStream({ cancel: () => void cancelled++ }) as never;
    const init = { method: 'POST', body, duplex: 'half', signal: AbortSignal.abort(reason) } as RequestInit;
    expect(await rejection(mesh.fetch(url, init))).toBe(reason);
    await turn();
    expect([requests, cancelled]).toEqual([0, 1]);
  });

  it('rejects with its reason before the head, and closes the connection', async () => {
    const controller = new AbortController();
    let closed: Promise<unknown> | undefined;
    const mesh = await bench.meshTo((request) => {
      closed = once(request.socket, 'close');
      controller.abort(reason);
    });
    expect(await rejection(mesh.fetch(url, { signal: controller.signal }))).toBe(reason);
    await closed;
  });

  it('rejects with an AbortError when it has no other reason', async () => {
    const controller = new AbortController();
    const mesh = await bench.meshTo(() => controller.abort());
    expect(await rejection(mesh.fetch(url, { signal: controller.signal }))).toMatchObject({ name: 'AbortError' });
  });

  it('rejects with null when that is the reason', async () => {
    const controller = new AbortController();
    const mesh = await bench.meshTo(() => controller.abort(null));
    expect(await rejection(mesh.fetch(url, { signal: controller.signal }))).toBe(null);
  });

  it('fails the body with its reason after the head, and closes the connection', async () => {
    const controller = new AbortController();
    let closed: Promise<unknown> | undefined;
    const mesh = await bench.meshTo((request, response) => {
      closed = once(request.socket, 'close');
      response.write('x');
    });
    const response = await mesh.fetch(url, { signal: controller.signal });
    const text = response.text();
    controller.abort(reason);
    expect(await rejection(text)).toBe(reason);
    await closed;
  });

  it('changes nothing after the end', async () => {
    const controller = new AbortController();
    const mesh = await bench.meshTo((_request, response) => response.end('x'));
    const response = await mesh.fetch(url, { signal: controller.signal });
    const copy = response.clone();
    expect(await response.text()).toBe('x');
    controller.abort(reason);
    expect(await copy.text()).toBe('x');
  });

  it('that carries an error of another call is given back, and held against nobody', async () => {
    const mesh = await bench.meshTo((_request, response) => {
      response.writeHead(200).write('a');
    });
    const other = new MeshError('INMESH_RESET', 'ratings: broken');
    const before = new AbortController();
    const waiting = mesh.fetch(url, { signal: before.signal });
    before.abort(other);
    expect(await rejection(waiting)).toBe(other);
    const during = new AbortController();
    const response = await mesh.fetch(url, { signal: during.signal });
    const reading = response.text();
    during.abort(other);
    expect(await rejection(reading)).toBe(other);
    const seen: string[] = [];
    mesh.metrics.attach({
      registerMetric: (metric: { name: string; get(): Promise<{ values: { labels: object; value: number }[] }> }) => {
        if (metric.name === 'inmesh_calls_total') {
          void metric.get().then(({ values }) => seen.push(...values.map((value) => JSON.stringify(value.labels))));
        }
      },
      removeSingleMetric() {},
    } as never);
    await turn();
    expect(seen.length).toBeGreaterThan(0);
    expect(seen.filter((labels) => labels.includes('failure'))).toEqual([]);
  });
});
