import { describe, expect, it } from 'vitest';
import { readSlice, type Slice } from '../../../src/discovery/kubernetes/endpoint-slice.ts';
import { KubernetesEndpoints } from '../../../src/discovery/kubernetes/kubernetes-endpoints.ts';
import { LoopTurns } from '../../../src/discovery/loop-turns.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';
import { makeSlice, readyAt } from '../../backends/kubernetes/objects-of-tests.ts';
import { EndpointRecorder } from '../endpoint-recorder.ts';

const own = { isOwn: true, forbidden: () => true };

function slicesOf(...hosts: readonly string[]): ReadonlyMap<string, Slice | string> {
  const read = (host: string) =>
    readSlice(makeSlice(host, { endpoints: [readyAt(host)] }), { name: 'http', number: undefined });
  return new Map(hosts.map((host) => [host, read(host)]));
}

/** A session that takes a turn of the loop at each chance. */
function busySession() {
  const controller = new AbortController();
  let looks = 0;
  const clock = Object.assign(new VirtualClock(), { now: () => (looks += 10) });
  return { controller, session: { signal: controller.signal, turns: new LoopTurns(clock) } };
}

describe('KubernetesEndpoints', () => {
  it('tells a list when all of it is taken, and not before', async () => {
    const recorder = new EndpointRecorder();
    const endpoints = new KubernetesEndpoints('registry', own, recorder.sink);
    const listed = endpoints.listed(slicesOf('10.0.0.1', '10.0.0.2'), '1', busySession().session);
    expect(recorder.told).toEqual([]);
    await listed;
    expect(recorder.told).toEqual(['10.0.0.1:80,10.0.0.2:80']);
  });

  it('tells nothing of a list when its watch is closed meanwhile', async () => {
    const recorder = new EndpointRecorder();
    const endpoints = new KubernetesEndpoints('registry', own, recorder.sink);
    const { controller, session } = busySession();
    const listed = endpoints.listed(slicesOf('10.0.0.1', '10.0.0.2'), '1', session);
    controller.abort(new Error('closed'));
    await expect(listed).rejects.toThrow('closed');
    expect(recorder.told).toEqual([]);
  });
});
