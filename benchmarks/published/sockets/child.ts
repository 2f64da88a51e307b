/**
 * How is a process talked to that may die at any time? Its next message is waited for together with its end.
 */
import type { ChildProcess } from 'node:child_process';

/**
 * The next message of a child process.
 *
 * @throws Error when the process ends first, or is silent for `withinMs`; then it is killed.
 */
export function nextMessage<T>(child: ChildProcess, name: string, withinMs: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      child.off('message', onMessage);
      child.off('exit', onExit);
    };
    const fail = (why: string) => {
      stop();
      reject(new Error(`${name} ${why}`));
    };
    const onMessage = (message: unknown) => {
      stop();
      resolve(message as T);
    };
    const onExit = (code: number | null, signal: string | null) => fail(`ended: ${signal ?? `code ${code}`}`);
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      fail(`is silent for ${withinMs / 1_000} s`);
    }, withinMs);
    child.on('message', onMessage);
    child.on('exit', onExit);
    if (child.exitCode !== null || child.signalCode !== null) fail('has ended');
  });
}

/** Ends a process that talks to us, and waits for that; by force if it takes more than a second. */
export async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  if (child.connected) child.disconnect();
  const timer = setTimeout(() => child.kill('SIGKILL'), 1_000);
  await gone;
  clearTimeout(timer);
}
