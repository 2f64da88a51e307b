import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Commands } from '../../src/adapters/command.ts';
import { createMesh } from '../../src/adapters/create-mesh.ts';
import { isMeshError, MeshError } from '../../src/core/errors.ts';
import { seededRandom } from '../../src/core/random.ts';
import { InboundContext, inboundContext } from '../../src/mesh/inbound-context.ts';
import { MetricsRegistry } from '../../src/telemetry/metrics-registry.ts';
import { VirtualClock } from '../../src/testing/virtual-clock.ts';

function make() {
  const clock = new VirtualClock();
  const metrics = new MetricsRegistry();
  return { clock, metrics, commands: new Commands(clock, seededRandom(1), metrics) };
}

const never = () => new Promise<never>(() => {});

describe('a command', () => {
  it('gives what the function gives, now or later', async () => {
    const { commands } = make();
    expect(await commands.run('a', () => 1, {})).toBe(1);
    expect(await commands.run('a', async () => 2, {})).toBe(2);
  });

  it('rejects with what the function throws, as it is', async () => {
    const { commands } = make();
    const error = new TypeError('mine');
    await expect(commands.run('a', () => Promise.reject(error), {})).rejects.toBe(error);
    const thrown = commands.run(
      'a',
      () => {
        throw error;
      },
      {},
    );
    await expect(thrown).rejects.toBe(error);
  });

  it('is over at its timeout, and its function is told', async () => {
    const { clock, commands } = make();
    let signal: AbortSignal | undefined;
    const running = commands.run(
      'a',
      (context) => {
        signal = context.signal;
        return never();
      },
      { timeoutMs: 50 },
    );
    const failed = expect(running).rejects.toMatchObject({ code: 'INMESH_TIMEOUT' });
    await clock.advance(50);
    await failed;
    expect(signal?.aborted).toBe(true);
    expect(isMeshError(signal?.reason, 'INMESH_TIMEOUT')).toBe(true);
    expect(clock.pendingTimers).toBe(0);
  });

  it('inherits the deadline of the request that is served, unless it says otherwise', async () => {
    const { clock, commands } = make();
    const context = new InboundContext(20, false, undefined, undefined);
    const failed = expect(inboundContext.run(context, () => commands.run('a', never, {}))).rejects.toMatchObject({
      code: 'INMESH_DEADLINE',
    });
    await clock.advance(20);
    await failed;
    const free = inboundContext.run(context, () => commands.run('a', () => 'done', { inheritDeadline: false }));
    expect(await free).toBe('done');
  });

  it('is repeated only when it is idempotent', async () => {
    const { clock, commands } = make();
    for (const idempotent of [true, false]) {
      let runs = 0;
      const run = commands.run(
        'a',
        () => {
          runs++;
          throw new Error('no');
        },
        { idempotent, retries: 2 },
      );
      const failed = expect(run).rejects.toThrow('no');
      await clock.advance(1_000);
      await failed;
      expect(runs).toBe(idempotent ? 3 : 1);
    }
  });

  it('has its fallback answer errors of the mesh', async () => {
    const { clock, commands } = make();
    const running = commands.run<string>('a', never, { timeoutMs: 5, fallback: (error) => (error as MeshError).code });
    await clock.advance(5);
    expect(await running).toBe('INMESH_TIMEOUT');
  });

  it('is refused while its breaker is open, and probed after that', async () => {
    const { clock, commands } = make();
    const options = { breaker: { consecutiveErrors: 2, openMs: 1_000 } };
    const fail = () => Promise.reject(new Error('no'));
    for (let round = 0; round < 2; round++) await expect(commands.run('a', fail, options)).rejects.toThrow('no');
    await expect(commands.run('a', () => 1, options)).rejects.toMatchObject({ code: 'INMESH_CIRCUIT_OPEN' });
    await clock.advance(1_000);
    expect(await commands.run('a', () => 1, options)).toBe(1);
    expect(await commands.run('b', () => 1, options)).toBe(1);
  });

  it('waits for its turn, and is refused when too many wait', async () => {
    const { commands } = make();
    const options = { limit: { maxRequests: 1, maxPending: 1 } };
    let release!: (value: string) => void;
    const released = new Promise<string>((resolve) => {
      release = resolve;
    });
    const first = commands.run('a', () => released, options);
    const second = commands.run('a', () => 'second', options);
    await expect(commands.run('a', () => 'third', options)).rejects.toMatchObject({ code: 'INMESH_OVERFLOW' });
    release('first');
    expect(await Promise.all([first, second])).toEqual(['first', 'second']);
  });

  it('finds the queue full first when it is less critical, by its own word or by that of the request that is served', async () => {
    const { commands } = make();
    const options = { limit: { maxRequests: 1, maxPending: 2 } };
    const never = () => new Promise(() => {});
    for (let run = 0; run < 2; run++) void commands.run('a', never, options).catch(() => {});
    const sheddable = commands.run('a', never, { ...options, criticality: 'sheddable' });
    await expect(sheddable).rejects.toMatchObject({ code: 'INMESH_OVERFLOW' });
    const context = new InboundContext(Number.POSITIVE_INFINITY, false, undefined, 'sheddable');
    const inherited = inboundContext.run(context, () => commands.run('a', never, options));
    await expect(inherited).rejects.toMatchObject({ code: 'INMESH_OVERFLOW' });
    const waiting = commands.run('a', () => 'critical', options);
    await expect(Promise.race([waiting, Promise.resolve('waits')])).resolves.toBe('waits');
    commands.cancelAll(new MeshError('INMESH_CLOSED', 'over'));
    await expect(waiting).rejects.toMatchObject({ code: 'INMESH_CLOSED' });
  });

  it('refuses options that are none, and names without end', async () => {
    const { commands } = make();
    await expect(commands.run('a', () => 1, { timeout: 5 } as never)).rejects.toMatchObject({ code: 'INMESH_OPTION' });
    await expect(commands.run('a', () => 1, { timeoutMs: -5 })).rejects.toMatchObject({ code: 'INMESH_OPTION' });
    for (let id = 0; id < 999; id++) await commands.run(`a ${id}`, () => 1, {});
    await expect(commands.run('one more', () => 1, {})).rejects.toThrow(/1000 commands/);
  });

  it.each([
    [{ limit: { maxRequests: 0 } }, 'limit.maxRequests is 0; allowed are integers from 1'],
    [{ limit: { maxRequests: Number.NaN } }, 'limit.maxRequests is NaN'],
    [{ limit: { maxPending: -1 } }, 'limit.maxPending is -1; allowed are integers from 0'],
    [{ limit: { max: 1 } }, 'unknown option limit.max; known are maxRequests, maxPending'],
    [{ limit: 5 }, 'option limit is 5; allowed is an object'],
    [{ breaker: true }, 'option breaker is true; allowed is an object'],
    [{ breaker: { openMs: -1 } }, 'breaker.openMs is -1; allowed are numbers above 0 (ms)'],
    [{ breaker: { errorPercent: 101 } }, 'breaker.errorPercent is 101; allowed are numbers from 0 to 100'],
    [{ breaker: { toString: 1 } }, 'unknown option breaker.toString'],
  ])('refuses %j at its first run', async (options, message) => {
    const { commands } = make();
    await expect(commands.run('a', () => 1, options as object)).rejects.toMatchObject({
      code: 'INMESH_OPTION',
      message: expect.stringContaining(message),
    });
    expect(await commands.run('a', () => 1, { limit: { maxRequests: undefined as never } })).toBe(1);
  });

  it('is waited for when the mesh is closed, and refused after that', async () => {
    const { commands } = make();
    let release = () => {};
    const running = commands.run('a', () => new Promise<void>((resolve) => (release = resolve)), {});
    let idle = false;
    const drained = commands.drain().then(() => {
      idle = true;
    });
    await expect(commands.run('a', () => 1, {})).rejects.toMatchObject({ code: 'INMESH_CLOSED' });
    await turn();
    expect(idle).toBe(false);
    release();
    await Promise.all([running, drained]);
  });

  it('is ended with its mesh when it takes too long, even if it does not listen', async () => {
    const mesh = await createMesh({ service: 'a', registry: {} });
    let signal: AbortSignal | undefined;
    const running = mesh.command('a', (context) => {
      signal = context.signal;
      return never();
    });
    const failed = expect(running).rejects.toMatchObject({ code: 'INMESH_CLOSED' });
    await mesh.close({ timeoutMs: 1 });
    await failed;
    expect(signal?.aborted).toBe(true);
    await expect(mesh.command('a', () => 1)).rejects.toMatchObject({ code: 'INMESH_CLOSED' });
  });

  it('is counted', async () => {
    const { commands, metrics } = make();
    const series = metrics.series({ service: 'command a' });
    const running = commands.run('a', () => turn(), {});
    expect(series.callsInFlight).toBe(1);
    await running;
    expect(series.callsInFlight).toBe(0);
  });
});
