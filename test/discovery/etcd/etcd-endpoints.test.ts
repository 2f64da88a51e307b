import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/core/clock.ts';
import { endpointKey } from '../../../src/core/endpoint.ts';
import { EtcdEndpoints, endpointOfKey } from '../../../src/discovery/etcd/etcd-endpoints.ts';
import { LoopTurns } from '../../../src/discovery/loop-turns.ts';
import { EndpointRecorder } from '../endpoint-recorder.ts';

const prefix = 'inmesh/endpoints/reviews/';
const [a, b] = ['10.0.0.1:80', '10.0.0.2:80'] as const;

let recorder: EndpointRecorder;
let endpoints: EtcdEndpoints;
let revision: number;

beforeEach(() => {
  recorder = new EndpointRecorder();
  endpoints = new EtcdEndpoints('etcd://a', prefix, recorder.sink);
  revision = 1;
});

function full(values: Readonly<Record<string, string>>, signal = new AbortController().signal): Promise<void> {
  const keys = Object.entries(values).map(([address, value]) => ({ key: `${prefix}${address}`, value, revision }));
  return endpoints.full(keys, ++revision, { signal, turns: new LoopTurns(systemClock) });
}

async function changed(...changes: readonly (readonly [address: string, value: string | undefined])[]): Promise<void> {
  revision++;
  const keys = changes.map(([address, value]) => ({ key: `${prefix}${address}`, value, revision }));
  const tell = await endpoints.read(keys, new LoopTurns(systemClock));
  tell(revision);
}

describe('endpointOfKey', () => {
  it.each([
    ['10.0.0.1:80', ''],
    ['[::1]:80', ''],
    ['unix:/run/a.sock', ''],
    ['10.0.0.1:80', '{"address":"10.0.0.1:80","weight":3}'],
  ])('reads %s with the value %j', (address, value) => {
    const endpoint = endpointOfKey(address, value);
    expect(typeof endpoint === 'string' ? endpoint : endpointKey(endpoint)).toBe(address);
  });

  it.each([
    ['x', '', 'the key ends with no address'],
    ['10.0.0.1:080', '', 'the key ends with no address'],
    ['a/10.0.0.1:80', '', 'the key ends with no address'],
    ['10.0.0.1:80', '{"address":"10.0.0.2:80"}', 'the value is of 10.0.0.2:80'],
    ['10.0.0.1:80', '{', 'is no JSON'],
    ['10.0.0.1:80', '{"address":"10.0.0.1:80","weight":-1}', 'weight'],
  ])('refuses %s with the value %j', (address, value, problem) => {
    expect(endpointOfKey(address, value)).toContain(problem);
  });
});

describe('EtcdEndpoints', () => {
  it('tells what is there as a whole, and then changes', async () => {
    await full({ [a]: '' });
    await changed([b, ''], [a, undefined]);
    expect(recorder.changes).toMatchObject([{ full: [{ host: '10.0.0.1' }] }, { put: [{}], removed: [a] }]);
    expect(recorder.told).toEqual([a, b]);
  });

  it('tells that the last one is gone, and the next as a whole', async () => {
    await full({});
    await changed([a, '']);
    await changed([a, undefined]);
    await changed([b, '']);
    expect(recorder.told).toEqual(['absent', a, 'absent', b]);
    expect(recorder.changes.every((change) => 'full' in change)).toBe(true);
  });

  it('keeps what a key had whose value is nonsense', async () => {
    await full({ [a]: '', [b]: '' });
    await changed([a, '{']);
    expect(recorder.told.at(-1)).toMatch(/^etcd:\/\/a: inmesh\/endpoints\/reviews\/10\.0\.0\.1:80: is no JSON/);
    await full({ [a]: '{', [b]: '' });
    expect(recorder.told.slice(-2)).toEqual([`${a},${b}`, expect.stringContaining(a)]);
    await changed([b, undefined]);
    expect(recorder.last).toBe(a);
    await changed([a, undefined]);
    expect(recorder.last).toBe('absent');
  });

  it('tells what is good beside nonsense first', async () => {
    await full({ [a]: 'nonsense', [b]: '' });
    expect(recorder.told).toEqual([b, expect.stringContaining(a)]);
    await changed([b, '{"address":"10.0.0.2:80","weight":2}'], ['10.0.0.3:80', '{']);
    expect(recorder.told.slice(2)).toEqual([b, expect.stringContaining('10.0.0.3:80')]);
  });

  it('knows nothing of a service with nothing but nonsense', async () => {
    await full({ [a]: 'nonsense' });
    expect(recorder.told).toEqual([expect.stringContaining('is no JSON')]);
    await changed([a, '']);
    expect(recorder.changes).toMatchObject([{ full: [{}] }]);
  });

  it('tells that there is nothing left but nonsense', async () => {
    await full({ [a]: '' });
    await full({ [b]: 'nonsense' });
    expect(recorder.told).toEqual([a, '', expect.stringContaining(b)]);
  });

  it('tells once more what is good again, though it is what it was', async () => {
    await full({ [a]: '' });
    await changed([a, '{']);
    await changed([a, '']);
    expect(recorder.told.slice(2)).toEqual([a]);
    await changed([b, '{']);
    await changed([b, undefined]);
    expect(recorder.changes.at(-1)).toEqual({ put: [], removed: [] });
  });

  it('takes the last of several changes of a key', async () => {
    await full({ [a]: '' });
    await changed([b, ''], [b, undefined], [a, '{'], [a, '']);
    expect(recorder.told).toEqual([a, a]);
    await changed([a, undefined], [a, '']);
    expect(recorder.told).toEqual([a, a, a]);
  });

  it('tells its state after an outage', async () => {
    await full({ [a]: '' });
    endpoints.failed(new Error('outage'));
    endpoints.again();
    await changed([a, undefined]);
    endpoints.failed(new Error('outage'));
    endpoints.again();
    expect(recorder.told).toEqual([a, 'outage', a, 'absent', 'outage', 'absent']);
  });

  it('makes sense of many changes in slices, and tells them as one', async () => {
    await full({});
    let turns = 0;
    const always = { due: true, turn: async () => void turns++ } as unknown as LoopTurns;
    const keys = Array.from({ length: 100 }, (_, at) => ({ key: `${prefix}10.0.0.${at}:80`, value: '', revision: 7 }));
    const tell = await endpoints.read(keys, always);
    expect([turns, recorder.told.length]).toEqual([100, 1]);
    tell(7);
    expect([recorder.told.length, recorder.endpoints.size]).toEqual([2, 100]);
  });

  it('tells nothing when it is closed while it reads', async () => {
    await full({ [a]: '' }, AbortSignal.abort());
    expect(recorder.told).toEqual([]);
  });

  it('tells what the keys hold, whatever happens', async () => {
    const address = fc.constantFrom(a, b, '10.0.0.3:80', 'nonsense');
    const value = fc.constantFrom('', '{', undefined, '{"address":"10.0.0.1:80"}');
    const event = fc.tuple(address, value);
    const step = fc.oneof(fc.constant('full' as const), fc.array(event, { minLength: 1, maxLength: 5 }));
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        recorder = new EndpointRecorder();
        endpoints = new EtcdEndpoints('etcd://a', prefix, recorder.sink);
        const held = new Map<string, string>();
        const good = new Set<string>();
        await full({});
        for (const one of steps) {
          if (one === 'full') await full(Object.fromEntries(held));
          else {
            for (const [key, text] of one) {
              if (text === undefined) held.delete(key);
              else held.set(key, text);
              if (text === undefined) good.delete(key);
              else if (typeof endpointOfKey(key, text) !== 'string') good.add(key);
            }
            await changed(...one);
          }
          if (held.size === 0 && recorder.told.length > 0) recorder.endpoints.clear();
          expect([...recorder.endpoints.keys()].sort()).toEqual([...good].sort());
        }
      }),
    );
  });
});
