import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Endpoint, endpointKey } from '../../../src/core/endpoint.ts';
import { type PortChoice, readSlice, type Slice } from '../../../src/discovery/kubernetes/endpoint-slice.ts';
import { EndpointSlices } from '../../../src/discovery/kubernetes/endpoint-slices.ts';
import { LoopTurns } from '../../../src/discovery/loop-turns.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';
import { endingAt, makeSlice, readyAt, type SliceRequest } from '../../backends/kubernetes/objects-of-tests.ts';

const http: PortChoice = { name: 'http', number: undefined };

function read(request: SliceRequest, choice = http): Slice {
  const slice = readSlice(makeSlice('a', request), choice);
  if (typeof slice === 'string') throw new Error(slice);
  return slice;
}

function only(endpoint: object): Endpoint | undefined {
  return [...read({ endpoints: [endpoint] }).endpoints.values()][0];
}

describe('readSlice', () => {
  it.each([
    [{ ready: true, serving: true, terminating: false }, 'serving'],
    [{ ready: true }, 'serving'],
    [{}, 'serving'],
    [null, 'serving'],
    [{ ready: null }, 'serving'],
    // A service that publishes addresses that are not ready.
    [{ ready: true, serving: false, terminating: true }, 'serving'],
    [{ ready: false, serving: true, terminating: true }, 'draining'],
    [{ ready: false, serving: false, terminating: true }, undefined],
    [{ ready: false, serving: true, terminating: false }, undefined],
    [{ ready: false }, undefined],
  ])('makes of the conditions %j an endpoint that is %s', (conditions, state) => {
    expect(only({ addresses: ['10.0.0.1'], conditions })?.state).toBe(state);
  });

  it.each([
    ['eu-west-1a', 'eu-west-1/eu-west-1a'],
    ['us-gov-east-1b', 'us-gov-east-1/us-gov-east-1b'],
    ['europe-west1-b', 'europe-west1/europe-west1-b'],
    ['westeurope-2', 'westeurope/westeurope-2'],
    ['eastus2-1', 'eastus2/eastus2-1'],
    ['rack-7', 'rack/rack-7'],
    ['Room 5', 'Room 5/Room 5'],
    ['us-west-2-lax-1a', 'us-west-2-lax-1a/us-west-2-lax-1a'],
  ])('places the zone %s at %s', (zone, locality) => {
    expect(only({ addresses: ['10.0.0.1'], zone })).toMatchObject({ locality, labels: { zone } });
  });

  it('labels an endpoint with its node, zone and the zones it is meant for', () => {
    const endpoint = {
      ...readyAt('10.0.0.1'),
      nodeName: 'n1',
      zone: 'eu-west-1a',
      hints: { forZones: [{ name: 'eu-west-1a' }, { name: 'eu-west-1b' }] },
    };
    expect(only(endpoint)?.labels).toEqual({ node: 'n1', zone: 'eu-west-1a', 'zone-hint': 'eu-west-1a,eu-west-1b' });
    expect(only(readyAt('10.0.0.1'))).toEqual({
      host: '10.0.0.1',
      port: 80,
      labels: {},
      locality: '',
      weight: 1,
      state: 'serving',
    });
  });

  it('takes the first address of an endpoint: all are of one pod', () => {
    const slice = read({ endpoints: [{ addresses: ['10.0.0.1', '10.0.0.2'] }] });
    expect([...slice.endpoints.keys()]).toEqual(['10.0.0.1:80']);
  });

  it.each([
    [
      'by its name',
      [
        { name: 'admin', port: 1 },
        { name: 'http', port: 2 },
      ],
      http,
      2,
    ],
    [
      'by the name that is asked for',
      [
        { name: 'admin', port: 1 },
        { name: 'http', port: 2 },
      ],
      { ...http, name: 'admin' },
      1,
    ],
    ['because it is the only one', [{ name: '', port: 3 }], http, 3],
    [
      'because it is the only one over TCP',
      [
        { name: 'a', port: 1, protocol: 'UDP' },
        { name: 'b', port: 2 },
      ],
      http,
      2,
    ],
    [
      'because its name begins with http',
      [
        { name: 'grpc', port: 1 },
        { name: 'http-web', port: 2 },
      ],
      http,
      2,
    ],
    [
      'because of its protocol',
      [
        { name: 'a', port: 1 },
        { name: 'b', port: 2, appProtocol: 'http' },
      ],
      http,
      2,
    ],
    [
      'by its number',
      [
        { name: 'http', port: 1 },
        { name: 'b', port: 2 },
      ],
      { ...http, number: 2 },
      2,
    ],
    ['as the only one behind another number', [{ name: 'http', port: 8080 }], { ...http, number: 80 }, 8080],
  ])('finds the port %s', (_, ports, choice, expected) => {
    const slice = read({ ports, endpoints: [readyAt('10.0.0.1')] }, choice);
    expect([...slice.endpoints.values()].map(({ port }) => port)).toEqual([expected]);
  });

  it.each([
    [[], 'none'],
    [null, 'none'],
    [[{ name: 'a', port: 1, protocol: 'UDP' }], 'none'],
    [[{ name: 'a', port: null }], 'a without a number'],
    [[{ port: 1 }, { name: 'b', port: 2 }], 'unnamed 1, b 2'],
  ])('names the ports when it finds none: %j', (ports, known) => {
    const slice = readSlice(makeSlice('a', { ports, endpoints: [readyAt('10.0.0.1')] }), http);
    expect(slice).toBe(`none of its TCP ports is named http; it has: ${known}`);
  });

  it('takes no endpoints for a slice without, whatever its ports are', () => {
    for (const endpoints of [null, []]) expect(read({ ports: null, endpoints }).hasAddresses).toBe(false);
  });

  it.each([
    [null, 'addressType is undefined'],
    [{ addressType: 'IP' }, 'addressType is "IP"; allowed: IPv4, IPv6, FQDN'],
    [{ addressType: 'IPv4', endpoints: {} }, 'no list'],
    [{ addressType: 'IPv4', ports: 'x' }, 'no list'],
    [makeSlice('a', { endpoints: [{ addresses: [] }] }), 'endpoints[0] has no address'],
    [{ ...makeSlice('a'), endpoints: [7] }, 'endpoints[0] is no object'],
  ])('says what is wrong with %j', (object, message) => {
    expect(readSlice(object, http)).toContain(message);
  });

  it('throws at nothing that JSON can hold', () => {
    const slicish = fc.record(
      { addressType: fc.constantFrom('IPv4', 'FQDN'), ports: fc.jsonValue(), endpoints: fc.jsonValue() },
      { requiredKeys: [] },
    );
    const endpoint = fc.record(
      { addresses: fc.jsonValue(), conditions: fc.jsonValue(), hints: fc.jsonValue(), zone: fc.jsonValue() },
      { requiredKeys: [] },
    );
    const endpoints = fc.array(endpoint).map((list) => ({ ...makeSlice('a'), endpoints: list }));
    fc.assert(
      fc.property(fc.oneof(fc.jsonValue(), slicish, endpoints), (object) => {
        readSlice(object, http);
      }),
    );
  });
});

describe('EndpointSlices', () => {
  it('prefers IPv4 addresses, whether they are ready or not, and takes others where there are none', () => {
    const slices = new EndpointSlices();
    const six = read({ addressType: 'IPv6', endpoints: [readyAt('fd00::1')] });
    expect(slices.change('six', six)).toEqual({ full: [...six.endpoints.values()] });
    // A slice that is kept for later has no addresses.
    expect(slices.change('four', read({ endpoints: [] }))).toBeUndefined();
    const four = read({ endpoints: [readyAt('10.0.0.1')] });
    expect(slices.change('four', four)).toEqual({ full: [...four.endpoints.values()] });
    const notReady = read({ endpoints: [{ addresses: ['10.0.0.1'], conditions: { ready: false } }] });
    expect(slices.change('four', notReady)).toEqual({ put: [], removed: ['10.0.0.1:80'] });
    expect(slices.change('four', undefined)).toEqual({ full: [...six.endpoints.values()] });
    const name = read({ addressType: 'FQDN', endpoints: [readyAt('db.example.com')] });
    expect(slices.change('name', name)).toBeUndefined();
    expect(slices.change('six', undefined)).toEqual({ full: [...name.endpoints.values()] });
  });

  it('counts an address once that two slices hold, and as serving when one says so', () => {
    const slices = new EndpointSlices();
    slices.change('a', read({ endpoints: [readyAt('10.0.0.1')] }));
    expect(slices.change('b', read({ endpoints: [endingAt('10.0.0.1')] }))).toBeUndefined();
    expect(slices.endpoints().map(({ state }) => state)).toEqual(['serving']);
    expect(slices.change('a', undefined)).toMatchObject({ put: [{ state: 'draining' }], removed: [] });
    expect(slices.change('a', read({ endpoints: [readyAt('10.0.0.1')] }))).toMatchObject({
      put: [{ state: 'serving' }],
    });
  });

  it('takes all slices in place of the former ones, in turns of the loop', async () => {
    const slices = new EndpointSlices();
    slices.change('gone', read({ endpoints: [readyAt('10.9.9.9')] }));
    // Each look at this clock is 1 ms later than the last.
    const clock = Object.assign(new VirtualClock(), { now: () => ++lookedAt });
    let lookedAt = 0;
    let turns = 0;
    const counted = new (class extends LoopTurns {
      override async turn(): Promise<void> {
        turns++;
        await super.turn();
      }
    })(clock);
    const all = Array.from(
      { length: 20 },
      (_, at) => [`s${at}`, read({ endpoints: [readyAt(`10.0.0.${at}`)] })] as const,
    );
    await slices.replace(new Map(all), counted);
    expect(slices.endpoints().map(({ host }) => host)).toEqual(all.map((_, at) => `10.0.0.${at}`));
    expect(slices.size).toBe(20);
    expect(turns).toBeGreaterThan(3);
    expect(slices.change('s7', undefined)).toEqual({ put: [], removed: ['10.0.0.7:80'] });
  });

  it('touches only the endpoints of the slice that changes', () => {
    const slices = new EndpointSlices();
    let looks = 0;
    const watched = (slice: Slice): Slice => ({
      ...slice,
      get endpoints() {
        looks++;
        return slice.endpoints;
      },
    });
    for (let at = 0; at < 100; at++) slices.change(`s${at}`, watched(read({ endpoints: [readyAt(`10.0.0.${at}`)] })));
    looks = 0;
    slices.change('s50', read({ endpoints: [endingAt('10.0.0.50'), readyAt('10.0.1.50')] }));
    expect(looks).toBeLessThan(10);
  });

  it('holds what the slices hold, put together anew', () => {
    const host = fc.integer({ min: 1, max: 5 }).map((last) => `10.0.0.${last}`);
    const endpoint = fc.tuple(host, fc.boolean()).map(([address, ready]) => (ready ? readyAt : endingAt)(address));
    const slice = fc.option(fc.array(endpoint, { maxLength: 4 }), { nil: undefined });
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c'), slice), { maxLength: 20 }), (steps) => {
        const slices = new EndpointSlices();
        const model = new Map<string, Slice>();
        for (const [name, endpoints] of steps) {
          const next = endpoints && read({ endpoints });
          slices.change(name, next);
          if (next === undefined) model.delete(name);
          else model.set(name, next);
        }
        const said = [...model.values()].flatMap(({ endpoints }) => [...endpoints.values()]);
        const states = new Map(said.map((one) => [one.host, 'draining']));
        for (const one of said) if (one.state === 'serving') states.set(one.host, 'serving');
        const held = slices.endpoints().map((one) => [one.host, one.state] as const);
        expect(new Map(held)).toEqual(states);
        expect(held).toHaveLength(states.size);
      }),
    );
  });

  it('tells changes that add up to what is there', () => {
    const address = fc.integer({ min: 1, max: 6 });
    const endpoint = fc.tuple(address, fc.boolean()).map(([last, ready]) => {
      return ready ? readyAt(`10.0.0.${last}`) : endingAt(`10.0.0.${last}`);
    });
    const six = address.map((last) => readyAt(`fd00::${last}`));
    const slice = fc.oneof(
      fc.array(endpoint, { maxLength: 4 }).map((endpoints) => read({ endpoints })),
      fc.array(six, { maxLength: 3 }).map((endpoints) => read({ addressType: 'IPv6', endpoints })),
      fc.constant(undefined),
    );
    const changes = fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c'), slice), { maxLength: 30 });
    fc.assert(
      fc.property(changes, (steps) => {
        const slices = new EndpointSlices();
        const told = new Map<string, Endpoint>();
        for (const [name, next] of steps) {
          const change = slices.change(name, next);
          if (change === undefined) continue;
          if ('full' in change) told.clear();
          else for (const key of change.removed) expect(told.delete(key)).toBe(true);
          for (const one of 'full' in change ? change.full : change.put) told.set(endpointKey(one), one);
        }
        const byKey = (list: Iterable<Endpoint>) =>
          [...list].sort((a, b) => (endpointKey(a) < endpointKey(b) ? -1 : 1));
        expect(byKey(told.values())).toEqual(byKey(slices.endpoints()));
      }),
    );
  });
});
