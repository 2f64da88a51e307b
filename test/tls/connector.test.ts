import { createSecureServer } from 'node:http2';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { createServer as createTcpServer } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { Pool, request } from 'undici';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { certificateFiles } from '../../src/tls/certificate-files.ts';
import { CertificateSource, type TlsMaterial } from '../../src/tls/certificate-source.ts';
import { tlsConnector } from '../../src/tls/connector.ts';
import { type ContextTexts, secureContext } from '../../src/tls/secure-context.ts';
import type { TlsOptions } from '../../src/tls/tls-options.ts';
import { CertificateFolder } from './certificate-folder.ts';
import { createAuthority, type IssuedLeaf, type LeafRequest, type TestAuthority } from './test-authority.ts';

const spiffe = 'spiffe://cluster.local/ns/bookinfo/sa/reviews';

/** What the server saw of a connection. */
interface Seen {
  readonly servername: string | false | null | undefined;
  readonly resumed: boolean;
  readonly client: string | undefined;
}

let authority: TestAuthority;
let client: IssuedLeaf;
const closers: (() => Promise<unknown> | unknown)[] = [];

beforeAll(async () => {
  authority = await createAuthority();
  client = await authority.issue({ uris: ['spiffe://cluster.local/ns/bookinfo/sa/productpage'] });
});

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

function material(set: Partial<ContextTexts> = {}): TlsMaterial {
  const texts = { ca: authority.cert, cert: undefined, key: undefined, ...set };
  return {
    ...texts,
    context: secureContext(texts),
    fingerprint: '',
    expiresAt: Number.POSITIVE_INFINITY,
    version: 1,
  };
}

const simple: TlsOptions = {
  mode: 'SIMPLE',
  caCertificates: undefined,
  clientCertificate: undefined,
  privateKey: undefined,
  sni: undefined,
  subjectAltNames: [],
};

async function listen(leaf: IssuedLeaf, mutual = false): Promise<{ port: number; server: Server; seen: Seen[] }> {
  const seen: Seen[] = [];
  const server = createServer(
    { cert: leaf.cert, key: leaf.key, ...(mutual ? { ca: authority.cert, requestCert: true } : undefined) },
    (_request, response) => response.end('ok'),
  );
  server.on('secureConnection', (socket: TLSSocket) => {
    seen.push({
      servername: socket.servername as Seen['servername'],
      resumed: socket.isSessionReused(),
      client: socket.getPeerCertificate().subjectaltname,
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => new Promise((resolve) => server.close(resolve)));
  return { port: (server.address() as AddressInfo).port, server, seen };
}

function pool(port: number, tls: Partial<TlsOptions> = {}, files: TlsMaterial = material(), h2 = false): Pool {
  const connect = tlsConnector({
    tls: { ...simple, ...tls },
    material: files,
    serviceHost: 'reviews',
    connectTimeoutMs: 5000,
    h2,
  });
  const created = new Pool(`https://127.0.0.1:${port}`, { connect, connections: 1 });
  closers.push(() => created.destroy());
  return created;
}

async function get(target: Pool): Promise<string> {
  const { body } = await target.request({ path: '/', method: 'GET' });
  return body.text();
}

async function serve(leaf: LeafRequest, issuer = authority): Promise<number> {
  return (await listen(await issuer.issue(leaf))).port;
}

describe('tlsConnector', () => {
  it('connects to a server with a certificate for the service, and sends its name', async () => {
    const { port, seen } = await listen(await authority.issue({ dns: ['reviews'] }));
    expect(await get(pool(port))).toBe('ok');
    expect(seen).toEqual([{ servername: 'reviews', resumed: false, client: undefined }]);
  });

  it('sends the name of the document, whatever Host header a request carries', async () => {
    const { port, seen } = await listen(await authority.issue({ dns: ['inner'] }));
    const target = pool(port, { sni: 'inner' });
    const { body } = await target.request({ path: '/', method: 'GET', headers: { host: 'evil.example' } });
    expect(await body.text()).toBe('ok');
    expect(seen[0]?.servername).toBe('inner');
  });

  it('connects to a server with the SPIFFE ID that is expected', async () => {
    expect(await get(pool(await serve({ uris: [spiffe] }), { subjectAltNames: [spiffe] }))).toBe('ok');
  });

  it.each<[string, LeafRequest, readonly string[]]>([
    ['another DNS name', { dns: ['ratings'] }, []],
    ['a name for the address alone', { ips: ['127.0.0.1'] }, []],
    ['another SPIFFE ID', { uris: ['spiffe://cluster.local/ns/bookinfo/sa/ratings'] }, [spiffe]],
    ['the DNS name, where a SPIFFE ID is expected', { dns: ['reviews'] }, [spiffe]],
    ['two URIs', { uris: [spiffe, 'spiffe://cluster.local/x'] }, [spiffe]],
    ['the certificate of an authority', { uris: [spiffe], isAuthority: true }, [spiffe]],
  ])('refuses a server with %s', async (_, leaf, subjectAltNames) => {
    const port = await serve(leaf);
    await expect(get(pool(port, { subjectAltNames }))).rejects.toMatchObject({
      code: 'INMESH_IDENTITY',
      service: 'reviews',
      endpoint: `127.0.0.1:${port}`,
    });
  });

  it('refuses a server of another authority', async () => {
    const port = await serve({ dns: ['reviews'] }, await createAuthority('other'));
    await expect(get(pool(port))).rejects.toMatchObject({ code: 'INMESH_TLS' });
  });

  it('refuses a certificate that has expired', async () => {
    const port = await serve({ dns: ['reviews'], validFromMs: -7_200_000, validToMs: -3_600_000 });
    await expect(get(pool(port))).rejects.toMatchObject({ code: 'INMESH_TLS' });
  });

  it('refuses a private authority when only those of Node are trusted', async () => {
    const port = await serve({ dns: ['reviews'] });
    await expect(get(pool(port, {}, material({ ca: undefined })))).rejects.toMatchObject({ code: 'INMESH_TLS' });
  });

  it('shows our certificate to a server that asks', async () => {
    const { port, seen } = await listen(await authority.issue({ dns: ['reviews'] }), true);
    expect(await get(pool(port, {}, material({ cert: client.cert, key: client.key })))).toBe('ok');
    expect(seen[0]?.client).toBe('URI:spiffe://cluster.local/ns/bookinfo/sa/productpage');
  });

  it('fails without a certificate where the server demands one', async () => {
    const { port } = await listen(await authority.issue({ dns: ['reviews'] }), true);
    await expect(get(pool(port))).rejects.toThrow();
  });

  it.each([
    [true, 'h2'],
    [false, 'http/1.1'],
  ])('with h2 %s agrees on %s with a server that speaks both', async (h2, protocol) => {
    const leaf = await authority.issue({ dns: ['reviews'] });
    const server = createSecureServer({ cert: leaf.cert, key: leaf.key, allowHTTP1: true }, (incoming, outgoing) =>
      outgoing.end(incoming.httpVersion),
    );
    const agreed: unknown[] = [];
    server.on('secureConnection', (socket: TLSSocket) => agreed.push(socket.alpnProtocol));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    closers.push(() => new Promise((resolve) => server.close(resolve)));
    const { port } = server.address() as AddressInfo;
    expect(await get(pool(port, {}, material(), h2))).toBe(h2 ? '2.0' : '1.1');
    expect(agreed).toEqual([protocol]);
  });

  it('resumes no session, so that a changed policy is checked on the next connection', async () => {
    const { port, seen, server } = await listen(await authority.issue({ dns: ['reviews'] }));
    const target = pool(port);
    await get(target);
    const closed = new Promise((resolve) => target.once('disconnect', resolve));
    server.closeAllConnections();
    await closed;
    await get(target);
    expect(seen.map(({ resumed }) => resumed)).toEqual([false, false]);
    await expect(get(pool(port, { subjectAltNames: [spiffe] }))).rejects.toMatchObject({ code: 'INMESH_IDENTITY' });
  });

  it('never connects without TLS', async () => {
    let connections = 0;
    const server = createTcpServer((socket) => {
      connections += 1;
      socket.destroy();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    closers.push(() => new Promise((resolve) => server.close(resolve)));
    const { port } = server.address() as AddressInfo;
    const connect = tlsConnector({
      tls: simple,
      material: material(),
      serviceHost: 'reviews',
      connectTimeoutMs: 5000,
      h2: false,
    });
    const target = new Pool(`http://127.0.0.1:${port}`, { connect });
    closers.push(() => target.destroy());
    await expect(target.request({ path: '/', method: 'GET' })).rejects.toMatchObject({ code: 'INMESH_TLS' });
    expect(connections).toBe(0);
  });

  it('leaves errors of the network to the transport', async () => {
    const { port, server } = await listen(await authority.issue({ dns: ['reviews'] }));
    await new Promise((resolve) => server.close(resolve));
    await expect(get(pool(port))).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  it('returns the socket, so that a connection in the making can be given up', async () => {
    const silent = createTcpServer();
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    closers.push(() => new Promise((resolve) => silent.close(resolve)));
    const connect = tlsConnector({
      tls: simple,
      material: material(),
      serviceHost: 'reviews',
      connectTimeoutMs: 5000,
      h2: false,
    });
    const { port } = silent.address() as AddressInfo;
    const failed = new Promise<Error | null>((resolve) => {
      const address = { hostname: '127.0.0.1', host: `127.0.0.1:${port}`, protocol: 'https:', port: String(port) };
      const socket = connect(address, (...[error]) => resolve(error)) as unknown as TLSSocket;
      socket.destroy(new Error('given up'));
    });
    expect(await failed).toMatchObject({ message: 'given up' });
  });

  it('throws at construction for names that are no identity', () => {
    expect(() => pool(1, { subjectAltNames: ['spiffe://'] })).toThrow(
      expect.objectContaining({ code: 'INMESH_OPTION' }),
    );
  });
});

describe('rotation', () => {
  let folder: CertificateFolder;
  afterAll(() => folder?.remove());

  it('gives new pools the new certificate while requests on the old one finish', async () => {
    folder = await CertificateFolder.create();
    await folder.write('ca.crt', authority.cert);
    await folder.writeLeaf(client);
    const source = await CertificateSource.open(certificateFiles(folder.options()), { clock: systemClock });
    closers.push(() => source.close());
    const leaf = await authority.issue({ dns: ['reviews'] });
    const clients: (string | undefined)[] = [];
    let answer: (() => void) | undefined;
    const server = createServer(
      { cert: leaf.cert, key: leaf.key, ca: authority.cert, requestCert: true },
      (incoming, outgoing) => {
        clients.push((incoming.socket as TLSSocket).getPeerCertificate().subjectaltname);
        if (incoming.url === '/slow') answer = () => outgoing.end('late');
        else outgoing.end('ok');
      },
    );
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    closers.push(() => new Promise((resolve) => server.close(resolve)));
    const { port } = server.address() as AddressInfo;

    const arrived = new Promise((resolve) => server.once('request', resolve));
    const old = pool(port, {}, source.current);
    const slow = request(`https://127.0.0.1:${port}/slow`, { dispatcher: old });
    await arrived;
    const changed = new Promise<TlsMaterial>((resolve) => source.onChange(resolve));
    await folder.writeLeaf(await authority.issue({ uris: ['spiffe://cluster.local/ns/bookinfo/sa/renewed'] }));
    const renewed = pool(port, {}, await changed);
    const drained = old.close();
    expect(await get(renewed)).toBe('ok');
    answer?.();
    expect(await (await slow).body.text()).toBe('late');
    await drained;
    expect(clients).toEqual([
      'URI:spiffe://cluster.local/ns/bookinfo/sa/productpage',
      'URI:spiffe://cluster.local/ns/bookinfo/sa/renewed',
    ]);
  });
});
