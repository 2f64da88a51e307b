import { setImmediate as turn } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect } from 'vitest';

/** Fails the test in which a promise is rejected that nobody handles. */
export function refuseUnhandled(): void {
  const unhandled: unknown[] = [];
  const onUnhandled = (reason: unknown) => void unhandled.push(reason);
  beforeAll(() => void process.on('unhandledRejection', onUnhandled));
  afterAll(() => void process.off('unhandledRejection', onUnhandled));
  afterEach(async () => {
    await turn();
    expect(unhandled.splice(0), 'unhandled rejections').toEqual([]);
  });
}
