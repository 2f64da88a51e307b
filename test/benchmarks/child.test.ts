import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, it } from 'vitest';
import { end, nextMessage } from '../../benchmarks/published/sockets/child.ts';

const program = fileURLToPath(new URL('./child-program.ts', import.meta.url));
const children: ReturnType<typeof fork>[] = [];
afterEach(() => Promise.all(children.splice(0).map(end)));

function start(how: string) {
  const child = fork(program, [how], { execArgv: [] });
  children.push(child);
  return child;
}

it('gets the next message of a child', async () => {
  expect(await nextMessage(start('talk'), 'child', 20_000)).toBe('hello');
});

it('does not wait for a child that has ended', async () => {
  const child = start('exit');
  await expect(nextMessage(child, 'child', 20_000)).rejects.toThrow('child ended: code 3');
  await expect(nextMessage(child, 'child', 20_000)).rejects.toThrow('child has ended');
});

it('kills a child that says nothing', async () => {
  const child = start('hang');
  await expect(nextMessage(child, 'child', 300)).rejects.toThrow('child is silent for 0.3 s');
  await end(child);
  expect(child.signalCode).toBe('SIGKILL');
});

it('ends a child by force that does not end by itself', async () => {
  const child = start('stay');
  await nextMessage(child, 'child', 20_000);
  await end(child);
  expect(child.signalCode).toBe('SIGKILL');
});
