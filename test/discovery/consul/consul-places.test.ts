import { describe, expect, it } from 'vitest';
import { MeshError } from '../../../src/core/errors.ts';
import { ConsulPlaces, isTurnedAway, type QueryPlace } from '../../../src/discovery/consul/consul-places.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';

const waitMs = 30_000;

function setup() {
  const clock = new VirtualClock();
  return { clock, places: new ConsulPlaces(clock, waitMs) };
}

/** A watch: its place is given when its turn comes. */
function watch(places: ConsulPlaces, isPatient = false) {
  const controller = new AbortController();
  const entered: QueryPlace[] = [];
  const enter = () => places.forWaiting(controller.signal, isPatient).then((place) => entered.push(place));
  return { controller, entered, enter };
}

async function watches(places: ConsulPlaces, count: number, isPatient = false) {
  const all = Array.from({ length: count }, () => watch(places, isPatient));
  for (const one of all) void one.enter();
  await settled();
  return all;
}

/** Lets promises settle. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await Promise.resolve();
}

function kinds(all: readonly { entered: readonly QueryPlace[] }[]): string {
  return all.map(({ entered }) => entered.at(-1)?.kind ?? 'none').join();
}

describe('ConsulPlaces', () => {
  it('gives ten watches a place each, six the shared ones, and lets the others wait for their turn', async () => {
    const { places } = setup();
    const all = await watches(places, 20);
    expect(kinds(all)).toBe([...Array(10).fill('long'), ...Array(6).fill('shared'), ...Array(4).fill('none')].join());
    expect(all[0]?.entered[0]?.waitMs).toBe(waitMs);
    all[12]?.entered[0]?.leave();
    await settled();
    expect(kinds(all.slice(16))).toBe('shared,none,none,none');
  });

  it('keeps the long place of a watch while it asks again and again', async () => {
    const { places } = setup();
    const all = await watches(places, 11);
    all[3]?.entered[0]?.leave();
    all[10]?.entered[0]?.leave();
    void all[10]?.enter();
    void all[3]?.enter();
    await settled();
    expect([kinds(all.slice(3, 4)), kinds(all.slice(10))]).toEqual(['long', 'shared']);
  });

  it('leaves a long place occupied until the query of a closed watch is over', async () => {
    const { places } = setup();
    const [closed, ...all] = await watches(places, 11);
    closed?.controller.abort();
    all[9]?.entered[0]?.leave();
    void all[9]?.enter();
    await settled();
    expect(kinds(all.slice(9))).toBe('shared');
    closed?.entered[0]?.leave();
    all[9]?.entered[1]?.leave();
    void all[9]?.enter();
    await settled();
    expect(kinds(all.slice(9))).toBe('long');
  });

  it('frees the long place of a watch that is closed between two queries', async () => {
    const { places } = setup();
    const [closed] = await watches(places, 10);
    closed?.entered[0]?.leave();
    closed?.controller.abort();
    expect(kinds(await watches(places, 1))).toBe('long');
  });

  it('passes over those who were closed before their turn', async () => {
    const { places } = setup();
    const [first, ...rest] = await watches(places, 6, true);
    const closed = watch(places, true);
    const reason = new Error('closed');
    const entering = closed.enter();
    const [next] = await watches(places, 1, true);
    closed.controller.abort(reason);
    first?.entered[0]?.leave();
    await expect(entering).rejects.toBe(reason);
    await settled();
    expect(kinds([...rest, next as never])).toBe(Array(6).fill('shared').join());
  });

  it('never gives a long place to who is patient', async () => {
    expect(kinds(await watches(setup().places, 2, true))).toBe('shared,shared');
  });

  it.each([
    [6, 3_000],
    [60, 300],
    [140, 128],
    [1_000, 100],
  ])('lets each of %i that share wait %i ms, so that a round takes seconds', async (count, expected) => {
    const { places } = setup();
    const [first, ...rest] = await watches(places, count, true);
    first?.entered[0]?.leave();
    void first?.enter();
    await settled();
    const newest = [first, ...rest][count === 6 ? 0 : 6];
    expect(newest?.entered.at(-1)?.waitMs).toBe(expected);
  });

  it('takes half of its share after it was turned away, and all of it later', async () => {
    const { clock, places } = setup();
    places.turnedAway();
    // Of the same moment.
    places.turnedAway();
    const all = await watches(places, 9);
    expect(kinds(all)).toBe('long,long,long,long,long,shared,shared,shared,none');
    await clock.advance(1_000);
    places.turnedAway();
    // Who has too much gives it back with his next question.
    for (const { entered } of all) entered[0]?.leave();
    await settled();
    for (const one of all.slice(0, 5)) void one.enter();
    await settled();
    const again = all.slice(0, 5).map(({ entered }) => entered[1]?.kind);
    expect(again.filter((kind) => kind === 'long')).toHaveLength(2);
    await clock.advance(80_000);
    expect(kinds(await watches(places, 8))).toBe(Array(8).fill('long').join());
  });

  it('keeps at least one place of each kind', async () => {
    const { clock, places } = setup();
    for (let times = 0; times < 10; times++) {
      places.turnedAway();
      await clock.advance(1_000);
    }
    expect(kinds(await watches(places, 3))).toBe('long,shared,none');
    const { signal } = new AbortController();
    expect((await places.forFirst(signal)).kind).toBe('first');
  });

  it('lets three first questions through at a time', async () => {
    const { places } = setup();
    const { signal } = new AbortController();
    const entered: QueryPlace[] = [];
    for (let count = 0; count < 5; count++) void places.forFirst(signal).then((place) => entered.push(place));
    await settled();
    expect(entered).toHaveLength(3);
    entered[0]?.leave();
    await settled();
    expect(entered).toHaveLength(4);
  });
});

describe('isTurnedAway', () => {
  const closed = (bytesRead: number) => Object.assign(new Error(), { code: 'UND_ERR_SOCKET', socket: { bytesRead } });
  const reset = Object.assign(new Error(), { code: 'ECONNRESET' });
  it.each([
    ['closed before a word', closed(0), 5, true],
    ['closed after a word', closed(7), 5, false],
    ['closed after a while', closed(0), 5_000, false],
    ['reset', reset, 5, true],
    ['refused', Object.assign(new Error(), { code: 'ECONNREFUSED' }), 5, false],
    ['without a cause', undefined, 5, false],
  ])('knows a connection that was %s', (_, cause, afterMs, expected) => {
    expect(isTurnedAway(new MeshError('INMESH_REGISTRY', 'x', { cause }), afterMs)).toBe(expected);
  });
});
