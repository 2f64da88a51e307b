import { setImmediate as turn } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, vi } from 'vitest';

/** No call of these tests may take longer, in ms: the limits they set are far below, and the defaults of the mesh above. */
const longestMs = 8_000;

/** Fails a test that hangs, and one in which a promise is rejected that nobody handles. */
export function guardTests(): void {
  const unhandled: unknown[] = [];
  const onUnhandled = (reason: unknown) => void unhandled.push(reason);
  vi.setConfig({ testTimeout: longestMs });
  beforeAll(() => void process.on('unhandledRejection', onUnhandled));
  afterAll(() => void process.off('unhandledRejection', onUnhandled));
  afterEach(async () => {
    await turn();
    expect(unhandled.splice(0), 'unhandled rejections').toEqual([]);
  });
}
