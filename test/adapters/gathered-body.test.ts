import { afterEach, describe, expect, it } from 'vitest';
import { gatheredBody } from '../../src/adapters/gathered-body.ts';
import { VirtualClock } from '../../src/testing/virtual-clock.ts';
import { Bench, type Echo, echo } from './bench.ts';

const bench = new Bench();
afterEach(() => bench.close());

async function textOf(body: AsyncIterable<Uint8Array>): Promise<string> {
  let text = '';
  for await (const chunk of body) text += Buffer.from(chunk);
  return text;
}

describe('a body that is read ahead', () => {
  it('is bytes when it is small and ends at once', async () => {
    const clock = new VirtualClock();
    for (const text of ['', 'abc', 'x'.repeat(64 * 1024)]) {
      const { body } = new Request('http://a/', { method: 'POST', body: text });
      expect(String(await gatheredBody(body as ReadableStream<Uint8Array>, clock))).toBe(text);
    }
    expect(clock.pendingTimers).toBe(0);
  });

  it('is a stream when it is large', async () => {
    const chunks = Array.from({ length: 3 }, () => new Uint8Array(40_000).fill(97));
    const body = await gatheredBody(ReadableStream.from(chunks), new VirtualClock());
    expect(body).not.toBeInstanceOf(Uint8Array);
    expect((await textOf(body as AsyncIterable<Uint8Array>)).length).toBe(120_000);
  });

  it('is a stream when it takes its time, and cancelling that is told to its source', async () => {
    const clock = new VirtualClock();
    let reason: unknown = 'not cancelled';
    const source = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(Buffer.from('a')),
      cancel: (why) => {
        reason = why;
      },
    });
    const gathering = gatheredBody(source, clock);
    await clock.advance(10);
    const body = (await gathering) as AsyncIterableIterator<Uint8Array>;
    expect((await body.next()).value).toEqual(Buffer.from('a'));
    await body.return?.();
    expect(reason).toBeUndefined();
  });

  it('breaks where its source breaks', async () => {
    const broken = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.error(new Error('disk'));
      },
    });
    const body = await gatheredBody(broken, new VirtualClock());
    await expect(textOf(body as AsyncIterable<Uint8Array>)).rejects.toThrow('disk');
  });
});

describe('mesh.fetch of a Request with a body', () => {
  it('sends a length, and again where a redirect or a retry leads', async () => {
    let requests = 0;
    const { address } = await bench.server((request, response) => {
      if (request.url === '/moved') return response.writeHead(307, { location: '/there' }).end();
      if (++requests === 1) return response.writeHead(503).end();
      return echo(request, response);
    });
    const mesh = await bench.mesh([address]);
    const request = new Request('http://reviews/moved', { method: 'PUT', body: 'abc' });
    const seen = (await (await mesh.fetch(request)).json()) as Echo;
    expect([seen.url, seen.body, seen.headers['content-length']]).toEqual(['/there', 'abc', '3']);
    expect([requests, request.bodyUsed]).toEqual([2, true]);
  });

  it('sends it where any host is allowed', async () => {
    const { address } = await bench.server(echo);
    const mesh = await bench.meshOf({ outboundTrafficPolicy: { mode: 'ALLOW_ANY' } });
    const seen = (await (
      await mesh.fetch(new Request(`http://${address}/`, { method: 'POST', body: 'abc' }))
    ).json()) as Echo;
    expect(seen.body).toBe('abc');
  });
});
