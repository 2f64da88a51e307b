import { afterEach, describe, expect, it } from 'vitest';
import { Bench } from '../adapters/bench.ts';

const bench = new Bench();
afterEach(() => bench.close());

/** Calls four subsets of a service at once, twice each; the most that the servers had at once. */
async function mostAtOnce(http: object, tcp: object): Promise<number> {
  let open = 0;
  let most = 0;
  const { address } = await bench.server((_request, response) => {
    open++;
    most = Math.max(most, open);
    setImmediate(() => {
      open--;
      response.end();
    });
  });
  const names = ['a', 'b', 'c', 'd'];
  const mesh = await bench.meshOf({
    services: [
      {
        host: 'reviews',
        endpoints: [{ address }],
        subsets: names.map((name) => ({ name, labels: {} })),
        trafficPolicy: { connectionPool: { http, tcp } },
      },
    ],
  });
  const calls = [...names, ...names].map(async (subset) => {
    const { body } = await mesh.request('http://reviews/', { mesh: { subset } });
    return body.dump();
  });
  await Promise.all(calls);
  return most;
}

describe('the limits of a service', () => {
  it('hold over all its subsets: requests', async () => {
    expect(await mostAtOnce({ http2MaxRequests: 1 }, {})).toBe(1);
  });

  it('hold over all its subsets: connections of an endpoint', async () => {
    expect(await mostAtOnce({}, { maxConnections: 1 })).toBe(1);
  });
});
