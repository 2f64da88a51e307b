import { afterEach, describe, expect, it } from 'vitest';
import { events } from '../../src/core/events.ts';
import { Bench } from '../adapters/bench.ts';
import { guardTests } from '../faults/guard-tests.ts';
import { createAuthority } from '../tls/test-authority.ts';
import { CallerLoad } from './caller-load.ts';
import { clientCertificate, SecureBench } from './secure-services.ts';
import type { ServiceDocument } from './virtual-mesh.ts';

const bench = new Bench();
afterEach(() => bench.close());
guardTests();

interface News {
  readonly version?: number;
  readonly error?: Error;
}

/** The next news about certificates that has `field`. */
function news(field: keyof News): Promise<News> {
  return new Promise((resolve) => {
    const listen = (message: unknown) => {
      if (!(field in (message as News))) return;
      events.certificates.unsubscribe(listen);
      resolve(message as News);
    };
    events.certificates.subscribe(listen);
  });
}

const ofReviews = { dns: ['reviews'] };
const name = (version: string) => ({ uris: [`spiffe://cluster.local/productpage/${version}`] });

/** `reviews`, under load, which notes who calls. */
async function underLoad() {
  const secure = await SecureBench.open(bench);
  await secure.writeClient(name('v1'));
  const callers = new Set<string | undefined>();
  const authorities = { ca: secure.authority.cert, requestCert: true };
  const address = await secure.server(
    ofReviews,
    (request, response) => {
      callers.add(clientCertificate(request).subjectaltname);
      response.end('ok');
    },
    authorities,
  );
  const { mesh, reload } = await secure.mesh(secure.reviews([address], secure.mutual));
  const load = new CallerLoad(mesh, 'http://reviews/');
  bench.onClose(() => load.stop());
  await load.more(20);
  return { secure, load, callers, address, reload };
}

describe('a rotation of certificates under load', () => {
  it('brings the new one into use, and drops no call', async () => {
    const { secure, load, callers } = await underLoad();
    expect([...callers]).toEqual(['URI:spiffe://cluster.local/productpage/v1']);
    for (const version of ['v2', 'v3']) {
      const rotated = news('version');
      await secure.writeClient(name(version));
      await rotated;
      // Those that were on their way came over the old connections.
      await load.more(20);
      callers.clear();
      await load.more(40);
      expect([...callers]).toEqual([`URI:spiffe://cluster.local/productpage/${version}`]);
    }
    await load.stop();
    expect(load.failures).toEqual([]);
  });

  it('that goes wrong is announced, and the old one stays in use', async () => {
    const { secure, load, callers } = await underLoad();
    const failed = news('error');
    await secure.folder.write('tls.crt', 'nonsense');
    expect((await failed).error?.message).toContain('tls.crt holds no PEM certificate');
    await load.more(20);
    const mended = news('version');
    await secure.writeClient(name('v2'));
    await mended;
    await load.more(20);
    callers.clear();
    await load.more(20);
    await load.stop();
    expect(load.failures).toEqual([]);
    expect([...callers]).toEqual(['URI:spiffe://cluster.local/productpage/v2']);
  });

  it('of the authorities may overlap, so that servers of both are believed', async () => {
    const { secure, load, address, reload } = await underLoad();
    const next = await createAuthority('next authority');
    const rotated = news('version');
    await secure.folder.write('ca.crt', `${secure.authority.cert}\n${next.cert}`);
    await rotated;
    const other = await secure.server(ofReviews, (_request, response) => void response.end('ok'), {
      ...(await next.issue(ofReviews)),
    });
    await reload(secure.reviews([address, other], secure.mutual));
    await load.more(40);
    await reload(secure.reviews([other], secure.mutual));
    await load.more(20);
    await load.stop();
    expect(load.failures).toEqual([]);
  });
});

describe('a reload that makes new connections, under load', () => {
  it.each(['UPGRADE', 'DO_NOT_UPGRADE'] as const)('drops no call, h2UpgradePolicy %s', async (h2UpgradePolicy) => {
    const secure = await SecureBench.open(bench);
    const names = { dns: ['reviews', 'other'] };
    const servers = [await secure.h2Server(names, (version) => version), await secure.h2Server(names, () => 'ok')];
    const policy = { connectionPool: { tcp: { maxConnections: 2 }, http: { h2UpgradePolicy } } };
    const [all, one] = [servers, servers.slice(0, 1)].map((some) =>
      secure.reviews(
        some.map(({ address }) => address),
        secure.simple,
        policy,
      ),
    ) as [ServiceDocument, ServiceDocument];
    const { mesh, reload } = await secure.mesh(all);
    const load = new CallerLoad(mesh, 'http://reviews/', 16);
    for (let round = 0; round < 10; round++) {
      for (const next of [{ ...all, subjectAltNames: ['other'] }, one, { ...all, subjectAltNames: ['reviews'] }]) {
        await reload(next);
        await load.more(30);
      }
    }
    await load.stop();
    expect(load.failures).toEqual([]);
    expect(mesh.status().services[0]?.endpoints.map(({ inFlight }) => inFlight)).toEqual([0, 0]);
  });
});
