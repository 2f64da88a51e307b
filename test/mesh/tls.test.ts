import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { Bench, echo } from '../adapters/bench.ts';
import { guardTests } from '../faults/guard-tests.ts';
import { clients } from './clients.ts';
import { codeOf } from './code-of.ts';
import { clientCertificate, SecureBench } from './secure-services.ts';

const bench = new Bench();
afterEach(() => bench.close());
guardTests();

const ofReviews = { dns: ['reviews'] };
const spiffeId = 'spiffe://cluster.local/ns/shop/sa/reviews';

describe('a service with TLS', () => {
  it.each(clients)('is called over TLS by http:// and by https:// alike: %s', async (_name, send) => {
    const secure = await SecureBench.open(bench);
    const address = await secure.server(ofReviews, (request, response) => response.end(request.headers.host));
    const { mesh } = await secure.mesh(secure.reviews([address], secure.simple));
    expect(await send(mesh, 'http://reviews/')).toEqual({ status: 200, text: 'reviews' });
    expect(await send(mesh, 'https://reviews/')).toEqual({ status: 200, text: 'reviews' });
  });

  it('is shown our certificate in mode MUTUAL, and none in mode SIMPLE', async () => {
    const secure = await SecureBench.open(bench);
    await secure.writeClient({ uris: ['spiffe://cluster.local/ns/shop/sa/productpage'] });
    const address = await secure.server(
      ofReviews,
      (request, response) => response.end(clientCertificate(request).subjectaltname ?? 'nobody'),
      { ca: secure.authority.cert, requestCert: true, rejectUnauthorized: false },
    );
    const { mesh, reload } = await secure.mesh(secure.reviews([address], secure.mutual));
    const seen = async () => (await mesh.fetch('http://reviews/')).text();
    expect(await seen()).toBe('URI:spiffe://cluster.local/ns/shop/sa/productpage');
    await reload(secure.reviews([address], secure.simple));
    expect(await seen()).toBe('nobody');
  });

  it('may refuse a client without a certificate, which ends the call as an error', async () => {
    const secure = await SecureBench.open(bench);
    const address = await secure.server(ofReviews, echo, { ca: secure.authority.cert, requestCert: true });
    const { mesh } = await secure.mesh(secure.reviews([address], secure.simple));
    const error = await mesh.request('http://reviews/', { method: 'POST', body: 'x' }).catch(codeOf);
    expect(['INMESH_TLS', 'INMESH_RESET']).toContain(error);
  });

  it('proves an identity by SPIFFE ID where the document asks for one', async () => {
    const secure = await SecureBench.open(bench);
    const address = await secure.server({ uris: [spiffeId] }, echo);
    const service = secure.reviews([address], secure.simple);
    const { mesh } = await secure.mesh({ ...service, subjectAltNames: [spiffeId] });
    expect((await mesh.request('http://reviews/')).statusCode).toBe(200);
  });

  it('speaks HTTP/2 by ALPN where the document allows it, many calls over one connection', async () => {
    const secure = await SecureBench.open(bench);
    const seen = await secure.h2Server(ofReviews, (version) => version);
    const pool = { connectionPool: { tcp: { maxConnections: 1 }, http: { h2UpgradePolicy: 'UPGRADE' as const } } };
    const { mesh, reload } = await secure.mesh(secure.reviews([seen.address], secure.simple, pool));
    const versions = () =>
      Promise.all(Array.from({ length: 20 }, async () => (await mesh.fetch('http://reviews/')).text()));
    expect(new Set(await versions())).toEqual(new Set(['2.0']));
    expect(seen.sessions).toBe(1);
    await reload(secure.reviews([seen.address], secure.simple));
    expect(new Set(await versions())).toEqual(new Set(['1.1']));
  });

  it('speaks HTTP/1.1 when the server does not know HTTP/2', async () => {
    const secure = await SecureBench.open(bench);
    const address = await secure.server(ofReviews, (request, response) => response.end(request.httpVersion));
    const pool = { connectionPool: { http: { h2UpgradePolicy: 'UPGRADE' as const } } };
    const { mesh } = await secure.mesh(secure.reviews([address], secure.simple, pool));
    expect(await (await mesh.fetch('https://reviews/')).text()).toBe('1.1');
  });

  it('may be behind a unix socket', async () => {
    const secure = await SecureBench.open(bench);
    const folder = await mkdtemp(join(tmpdir(), 'inmesh-'));
    bench.onClose(() => rm(folder, { recursive: true, force: true }));
    const path = join(folder, 'reviews.sock');
    const server = createServer({ ...(await secure.authority.issue(ofReviews)) }, echo);
    await new Promise<void>((resolve) => server.listen(path, resolve));
    bench.onClose(() => new Promise((resolve) => server.close(resolve)));
    bench.onClose(() => server.closeAllConnections());
    const { mesh } = await secure.mesh(secure.reviews([`unix:${path}`], secure.simple));
    expect((await mesh.request('https://reviews/')).statusCode).toBe(200);
  });
});

describe('an endpoint that is not who it should be', () => {
  it.each([
    ['by the host of the service', {}],
    ['by subjectAltNames', { subjectAltNames: ['reviews'] }],
  ])('gets not one request, and the others get them all: %s', async (_how, expected) => {
    const secure = await SecureBench.open(bench);
    let wrongly = 0;
    const right = await secure.server(ofReviews, echo);
    const wrong = await secure.server({ dns: ['ratings'] }, () => wrongly++);
    const { mesh } = await secure.mesh({ ...secure.reviews([right, wrong], secure.simple), ...expected });
    for (let calls = 0; calls < 20; calls++) {
      const { statusCode, body } = await mesh.request('http://reviews/', {
        method: 'POST',
        body: 'order',
        mesh: { retries: 0 },
      });
      await body.dump();
      expect(statusCode).toBe(200);
    }
    expect(wrongly).toBe(0);
  });

  it('is the error INMESH_IDENTITY when there is nobody else, without a request anywhere', async () => {
    const secure = await SecureBench.open(bench);
    let requests = 0;
    const addresses = [
      await secure.server({ dns: ['ratings'] }, () => requests++),
      await secure.server({ dns: ['details'] }, () => requests++),
    ];
    const { mesh } = await secure.mesh(secure.reviews(addresses, secure.simple));
    const error = await mesh.request('http://reviews/').catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: 'INMESH_IDENTITY', service: 'reviews', attempts: 0 });
    expect(addresses).toContain((error as { endpoint: string }).endpoint);
    expect(requests).toBe(0);
  });

  it('is the error INMESH_TLS when another authority speaks for it', async () => {
    const secure = await SecureBench.open(bench);
    const stranger = await SecureBench.open(bench);
    let requests = 0;
    const address = await stranger.server(ofReviews, () => requests++);
    const { mesh } = await secure.mesh(secure.reviews([address], secure.simple));
    expect(await mesh.request('http://reviews/').catch(codeOf)).toBe('INMESH_TLS');
    expect(requests).toBe(0);
  });
});

describe('other subjectAltNames in the document', () => {
  it('hold for the next call; what is on its way over an old connection is finished', async () => {
    const secure = await SecureBench.open(bench);
    let finish = () => {};
    const address = await secure.server({ dns: ['reviews', 'other'] }, (request, response) => {
      if (request.url !== '/slow') return void response.end('ok');
      response.write('first');
      finish = () => response.end(' last');
    });
    const service = secure.reviews([address], secure.simple);
    const { mesh, reload } = await secure.mesh({ ...service, subjectAltNames: ['reviews'] });
    const { body } = await mesh.request('http://reviews/slow');
    await reload({ ...service, subjectAltNames: ['nobody'] });
    expect(await mesh.request('http://reviews/').catch(codeOf)).toBe('INMESH_IDENTITY');
    finish();
    expect(await body.text()).toBe('first last');
    await reload({ ...service, subjectAltNames: ['other'] });
    expect((await mesh.request('http://reviews/')).statusCode).toBe(200);
  });
});
