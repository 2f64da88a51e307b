import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { systemClock } from '../../../src/core/clock.ts';
import { EtcdStream } from '../../../src/discovery/etcd/etcd-stream.ts';
import { toBase64 } from '../../../src/discovery/etcd/etcd-wire.ts';
import { FakeFollower } from './fake-etcd-streams.ts';

it('EtcdStream reads a long line in slices', async () => {
  // Each look at the clock takes a millisecond.
  let now = 0;
  const follower = new FakeFollower('a/', 1);
  const listener = { created: () => {}, cancelled: () => {} };
  const stream = new EtcdStream([follower], listener, { ...systemClock, now: () => now++ });
  const header = { revision: '300' };
  const events = Array.from({ length: 300 }, (_, at) => ({
    kv: { key: toBase64(`a/${at}`), mod_revision: `${at + 1}` },
  }));
  const lines = [
    { watch_id: '1', created: true, header },
    { watch_id: '1', header, events },
  ];
  async function* body() {
    for (const result of lines) yield Buffer.from(`${JSON.stringify({ result })}\n`);
  }
  let ended = false;
  const run = stream.run({ watch: async () => ({ host: 'a', body: body() }) }).catch(() => {
    ended = true;
  });
  let turns = 0;
  while (!ended) {
    await nextTurn();
    turns++;
  }
  await run;
  expect(turns).toBeGreaterThan(50);
  expect(follower.keys).toEqual(events.map((_, at) => `a/${at}`));
  expect(follower.next).toBe(301);
});
