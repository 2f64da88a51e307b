import { describe, expect, it } from 'vitest';
import type { Operation } from '../../../src/core/operation.ts';
import { limitFilter } from '../../../src/resilience/limit/limit-filter.ts';
import { fakeCommand } from '../fake-call.ts';

/** A command whose runs a test ends. */
class Command {
  running = 0;
  private readonly ends: ((error?: Error) => void)[] = [];
  private readonly filter = limitFilter<Operation, string>('charge', { maxRequests: 2, maxPending: 1 });

  run(operation = fakeCommand()): Promise<string> {
    return this.filter.apply(operation, () => {
      this.running++;
      return new Promise((resolve, reject) => {
        this.ends.push((error) => {
          this.running--;
          if (error === undefined) resolve('charged');
          else reject(error);
        });
      });
    });
  }

  async end(error?: Error): Promise<void> {
    this.ends.shift()?.(error);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe('limitFilter', () => {
  it('runs as many as allowed, lets others wait, and refuses the rest', async () => {
    const command = new Command();
    const results = [command.run(), command.run(), command.run()];
    await expect(command.run()).rejects.toMatchObject({ code: 'INMESH_OVERFLOW', service: 'charge' });
    expect(command.running).toBe(2);
    await command.end();
    expect(command.running).toBe(2);
    await command.end();
    await command.end();
    expect(await Promise.all(results)).toEqual(['charged', 'charged', 'charged']);
  });

  it('makes room when a command fails', async () => {
    const command = new Command();
    const results = [command.run(), command.run(), command.run()];
    const error = new Error('no');
    await Promise.all([expect(results[0]).rejects.toBe(error), command.end(error)]);
    expect(command.running).toBe(2);
  });

  it('passes the room on when the next in line was cancelled as it came free', async () => {
    const command = new Command();
    const next = fakeCommand();
    const results = [command.run(), command.run(), command.run(next)];
    const ended = command.end();
    queueMicrotask(() => next.cancel('enough'));
    await Promise.all([ended, expect(results[2]).rejects.toBe('enough')]);
    expect(command.running).toBe(1);
    await command.end();
    await command.end();
    expect(command.running).toBe(0);
    void command.run();
    void command.run();
    expect(command.running).toBe(2);
  });
});
