import { describe, expect, it } from 'vitest';
import { MeshError } from '../../../src/core/errors.ts';
import type { Operation } from '../../../src/core/operation.ts';
import { fallbackFilter } from '../../../src/resilience/fallback/fallback-filter.ts';
import { fakeCommand } from '../fake-call.ts';

const filter = fallbackFilter<Operation, string>((answer) => `instead: ${answer}`);
const timeout = new MeshError('INMESH_TIMEOUT', 'charge: too long');

describe('fallbackFilter', () => {
  it('answers in place of an error, which it is given', async () => {
    const command = fakeCommand({ fallback: (error) => error.code });
    expect(await filter.apply(command, () => Promise.reject(timeout))).toBe('instead: INMESH_TIMEOUT');
  });

  it('asks one after another until one does not fail, and tells each why the one before it did', async () => {
    const told: unknown[] = [];
    const failing = (reason: unknown) => {
      told.push(reason);
      throw new Error('no stock');
    };
    const command = fakeCommand({ fallback: [failing, (error) => error.message, () => 'never asked'] });
    expect(await filter.apply(command, () => Promise.reject(timeout))).toBe('instead: no stock');
    expect(told).toEqual([timeout]);
    const hopeless = fakeCommand({ fallback: [failing, failing] });
    await expect(filter.apply(hopeless, () => Promise.reject(timeout))).rejects.toThrow('no stock');
  });

  it('refuses what is no function', () => {
    expect(() => fakeCommand({ fallback: [() => 1, 'x' as never] })).toThrow('option fallback is string');
  });

  it('waits for a fallback that takes time', async () => {
    const command = fakeCommand({ fallback: async () => 'later' });
    expect(await filter.apply(command, () => Promise.reject(timeout))).toBe('instead: later');
  });

  it('does not wait for it when the caller gives up meanwhile, and does when the time was up before', async () => {
    const never = () => new Promise<string>(() => {});
    const command = fakeCommand({ fallback: never });
    const waiting = filter.apply(command, () => Promise.reject(timeout));
    queueMicrotask(() => command.cancel('enough'));
    await expect(waiting).rejects.toBe('enough');
    const late = fakeCommand({ fallback: async () => 'later' });
    late.cancel(timeout);
    expect(await filter.apply(late, () => Promise.reject(timeout))).toBe('instead: later');
  });

  it('leaves results alone, and errors when there is no fallback', async () => {
    expect(await filter.apply(fakeCommand({ fallback: () => 'x' }), async () => 'charged')).toBe('charged');
    await expect(filter.apply(fakeCommand(), () => Promise.reject(timeout))).rejects.toBe(timeout);
  });

  it('does not answer a caller who gave up', async () => {
    const command = fakeCommand({ fallback: () => 'x' });
    const reasons = [
      new MeshError('INMESH_ABORTED', 'aborted'),
      new Error('enough'),
      new Error('enough', { cause: timeout }),
      undefined,
      null,
    ];
    for (const reason of reasons) {
      await expect(filter.apply(command, () => Promise.reject(reason))).rejects.toBe(reason);
    }
  });

  it('fails with the error of the fallback', async () => {
    const broken = new Error('no fallback either');
    const command = fakeCommand({
      fallback: () => {
        throw broken;
      },
    });
    await expect(filter.apply(command, () => Promise.reject(timeout))).rejects.toBe(broken);
  });
});
