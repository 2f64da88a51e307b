import { afterEach, describe, expect, it } from 'vitest';
import { startEtcd } from './etcd-server.ts';
import { outageMs, playOutage, timeoutMs } from './outage.ts';
import { etcdOutage } from './outage-backends.ts';
import { hasServer } from './server-process.ts';

const disposals: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const dispose of disposals.splice(0)) await dispose();
});

describe('an outage of etcd', () => {
  it.skipIf(!hasServer('etcd')).each([
    ['all three members', 'all', outageMs],
    ['the leader alone', 'leader', Math.min(outageMs, 4_000)],
  ] as const)(
    'of %s fails no call',
    async (_name, who, durationMs) => {
      const cluster = await startEtcd(3);
      disposals.push(() => cluster.dispose());
      const figures = await playOutage(await etcdOutage(cluster, who), durationMs);
      expect(figures.failed).toEqual([]);
      expect(figures.calls).toBeGreaterThan((durationMs / 1_000) * 400);
      expect(figures.lateStatus).toBe(200);
    },
    timeoutMs,
  );
});
