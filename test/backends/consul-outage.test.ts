import { afterEach, describe, expect, it } from 'vitest';
import { startConsul } from './consul-server.ts';
import { outageMs, playOutage, timeoutMs } from './outage.ts';
import { consulOutage } from './outage-backends.ts';
import { hasServer } from './server-process.ts';

const disposals: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const dispose of disposals.splice(0)) await dispose();
});

describe('an outage of Consul', () => {
  it.skipIf(!hasServer('consul'))(
    'fails no call, although it comes back empty',
    async () => {
      const server = await startConsul();
      disposals.push(() => server.dispose());
      const figures = await playOutage(consulOutage(server), outageMs);
      expect(figures.failed).toEqual([]);
      expect(figures.calls).toBeGreaterThan((outageMs / 1_000) * 400);
      expect(figures.lateStatus).toBe(200);
    },
    timeoutMs,
  );
});
