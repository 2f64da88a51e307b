import {
  ConsecutiveBreaker,
  ConstantBackoff,
  circuitBreaker,
  handleAll,
  handleWhenResult,
  type IPolicy,
  retry,
  TimeoutStrategy,
  timeout,
  wrap,
} from 'cockatiel';
import { Registry as PrometheusRegistry } from 'prom-client';
import { afterEach, describe, expect, it } from 'vitest';
import { Bench, bodyOf } from '../adapters/bench.ts';
import { guardTests } from '../faults/guard-tests.ts';
import { codeOf } from './code-of.ts';
import { reviews, virtualMesh } from './virtual-mesh.ts';

const bench = new Bench();
afterEach(() => bench.close());
guardTests();

/** `reviews`, which answers with these statuses in order, the last one for ever; `mesh` never retries by itself. */
async function open(statuses: readonly (number | 'never')[], body = 'x'.repeat(20)) {
  const bodies: string[] = [];
  let open = 0;
  const { address } = await bench.server(async (request, response) => {
    bodies.push(await bodyOf(request));
    const status = statuses[Math.min(bodies.length, statuses.length) - 1];
    if (status === 'never') return;
    open++;
    response.on('close', () => open--);
    response.writeHead(status as number).end(body);
  });
  const mesh = await bench.mesh([address], { outlierDetection: { disabled: true } }, { defaults: { retries: false } });
  const send = (policy: IPolicy, options = {}) =>
    mesh.request('http://reviews/', { method: 'POST', body: 'order', mesh: { policy, idempotent: true, ...options } });
  return { mesh, bodies, send, openReplies: () => open };
}

const bad = handleWhenResult((reply) => (reply as { status: number }).status >= 500);
const again = (maxAttempts: number, waitMs = 0) => ({ maxAttempts, backoff: new ConstantBackoff(waitMs) });

describe("a policy of one's own", () => {
  /** Runs the call twice at once, and takes the first answer. */
  const both = {
    execute: (run: (context: { signal: AbortSignal }) => unknown, signal = new AbortController().signal) =>
      Promise.any([run({ signal }), run({ signal })]),
  } as unknown as IPolicy;

  it('may run a call twice at once: its body is not cut, and the other reply is let go', async () => {
    const slow = { latency: 10, body: { chunks: 8, everyMs: 100 } };
    const virtual = await virtualMesh(
      { services: [reviews(['10.0.0.1:80', '10.0.0.2:80'], { headTimeout: '200ms' })] },
      { endpoints: { '10.0.0.1:80': slow, '10.0.0.2:80': { ...slow, latency: 100 } } },
    );
    const text = virtual.mesh.request('http://reviews/', { mesh: { policy: both } }).then(({ body }) => body.text());
    await virtual.clock.advance(5_000);
    expect(await text).toHaveLength(16);
    expect(Object.values(virtual.endpoints()).map(({ inFlight }) => inFlight)).toEqual([0, 0]);
    await virtual.close();
  });

  it('leaves no timer behind when its caller gives up', async () => {
    const virtual = await virtualMesh(
      { services: [reviews(['10.0.0.1:80'])] },
      { defaultProfile: { faults: [{ kind: 'stall' }] } },
    );
    const controller = new AbortController();
    const policy = retry(handleAll, { maxAttempts: 2 });
    const call = virtual.mesh.request('http://reviews/', { mesh: { policy }, signal: controller.signal });
    await virtual.clock.advance(10);
    controller.abort();
    await expect(call).rejects.toThrow();
    await virtual.clock.advance(0);
    expect(virtual.clock.pendingTimers - virtual.clock.pendingBackgroundTimers).toBe(0);
    await virtual.close();
  });
});

describe('a policy of cockatiel', () => {
  it('repeats a call whose reply it dislikes, with its body, and hands on the last reply', async () => {
    const { bodies, send } = await open([503, 500, 200]);
    const { statusCode, body } = await send(retry(bad, again(5)));
    expect([statusCode, await body.text()]).toEqual([200, 'x'.repeat(20)]);
    expect(bodies).toEqual(['order', 'order', 'order']);
  });

  it('gets what it had when it repeats a call that a server may have seen and nobody calls idempotent', async () => {
    const { bodies, send } = await open([503, 200]);
    const { statusCode, body } = await send(retry(bad, again(3)), { idempotent: false });
    expect([statusCode, await body.text()]).toEqual([503, 'x'.repeat(20)]);
    expect(bodies).toEqual(['order']);
  });

  it('hands on a reply that it gives up on, with its body', async () => {
    const { bodies, send } = await open([503]);
    const { statusCode, body } = await send(retry(bad, again(1)));
    expect([statusCode, await body.text(), bodies.length]).toEqual([503, 'x'.repeat(20), 2]);
  });

  it('leaves no reply open that nobody gets', async () => {
    const { mesh, send, openReplies } = await open([503, 503, 200], 'x'.repeat(4_000_000));
    const { body } = await send(retry(bad, again(5)));
    expect((await body.text()).length).toBe(4_000_000);
    while (openReplies() > 0) await new Promise(setImmediate);
    expect(mesh.status().services[0]?.endpoints[0]?.inFlight).toBe(0);
  });

  it('repeats a call that failed with an error', async () => {
    const { address } = await bench.raw((socket) => socket.destroy());
    const mesh = await bench.mesh(
      [address],
      { outlierDetection: { disabled: true } },
      { defaults: { retries: false } },
    );
    let tries = 0;
    const policy = retry(handleAll, again(2));
    policy.onFailure(() => tries++);
    expect(await mesh.request('http://reviews/', { mesh: { policy } }).catch(codeOf)).toBe('INMESH_RESET');
    expect(tries).toBe(3);
  });

  it.each([TimeoutStrategy.Aggressive, TimeoutStrategy.Cooperative])(
    'cancels the attempt that takes it too long, and may try again: %s',
    async (strategy) => {
      const { mesh, send } = await open(['never', 200]);
      const { statusCode, body } = await send(wrap(retry(handleAll, again(1)), timeout(50, strategy)));
      expect([statusCode, await body.text()]).toEqual([200, 'x'.repeat(20)]);
      expect(mesh.status().services[0]?.endpoints[0]?.inFlight).toBe(0);
    },
  );

  it('lets a body take longer than its timeout', async () => {
    const { address } = await bench.server((_request, response) => {
      response.write('first');
      setTimeout(() => response.end(' last'), 150);
    });
    const mesh = await bench.mesh([address]);
    const policy = timeout(50, TimeoutStrategy.Aggressive);
    expect(await (await mesh.fetch('http://reviews/', { mesh: { policy } })).text()).toBe('first last');
  });

  it('refuses calls with an error of its own while its circuit is open', async () => {
    const { bodies, send } = await open([500]);
    const policy = circuitBreaker(bad, { halfOpenAfter: 60_000, breaker: new ConsecutiveBreaker(2) });
    const statuses = [(await send(policy)).statusCode, (await send(policy)).statusCode];
    expect(statuses).toEqual([500, 500]);
    await expect(send(policy)).rejects.toThrow('breaker is open');
    expect(bodies).toHaveLength(2);
  });

  it('makes calls that count one by one', async () => {
    const { mesh, send } = await open([503, 200]);
    const prometheus = new PrometheusRegistry();
    mesh.metrics.attach(prometheus);
    await (await send(retry(bad, again(1)))).body.dump();
    expect(await prometheus.metrics()).toContain('inmesh_call_duration_seconds_count{service="reviews"} 2');
  });

  it('cannot keep a call waiting beyond its time', async () => {
    const { bodies, send } = await open([503]);
    const policy = retry(bad, again(3, 60_000)).dangerouslyUnref();
    expect(await send(policy, { timeoutMs: 80 }).catch(codeOf)).toBe('INMESH_TIMEOUT');
    expect(await send(policy, { headTimeoutMs: 80 }).catch(codeOf)).toBe('INMESH_HEAD_TIMEOUT');
    expect(bodies).toHaveLength(2);
  });

  it('cannot keep a call waiting that is cancelled, and is not asked to go on', async () => {
    const { mesh, bodies } = await open([503]);
    const policy = retry(bad, again(3, 60_000)).dangerouslyUnref();
    const controller = new AbortController();
    const waiting = new Promise<void>((resolve) => void policy.onRetry(() => resolve()));
    const call = mesh.request('http://reviews/', { signal: controller.signal, mesh: { policy } });
    await waiting;
    controller.abort(new Error('no longer'));
    await expect(call).rejects.toThrow('no longer');
    expect(bodies).toHaveLength(1);
  });

  it('sends nothing any more after its call was cancelled, whatever it tries', async () => {
    const { mesh, bodies } = await open(['never']);
    const controller = new AbortController();
    const context = { signal: new AbortController().signal };
    const stubborn = {
      execute: async (run: (given: object) => Promise<unknown>) => run(context).catch(() => run(context)),
    } as unknown as IPolicy;
    const call = mesh.request('http://reviews/', { signal: controller.signal, mesh: { policy: stubborn } });
    while (bodies.length === 0) await new Promise(setImmediate);
    controller.abort(new Error('no longer'));
    await expect(call).rejects.toThrow('no longer');
    await new Promise(setImmediate);
    expect(bodies).toHaveLength(1);
  });

  it('has the fallback below it answer before it judges', async () => {
    const { address } = await bench.raw((socket) => socket.destroy());
    const mesh = await bench.mesh([address]);
    const policy = retry(handleAll, again(5));
    const response = await mesh.fetch('http://reviews/', {
      mesh: { policy, retries: false, fallback: () => new Response('instead') },
    });
    expect(await response.text()).toBe('instead');
  });
});
