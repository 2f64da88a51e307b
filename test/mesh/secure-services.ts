import type { IncomingMessage, RequestListener } from 'node:http';
import { createSecureServer } from 'node:http2';
import { createServer, type ServerOptions } from 'node:https';
import type { PeerCertificate, TLSSocket } from 'node:tls';
import { MemoryRegistry } from '../../src/discovery/memory-registry.ts';
import { createMesh, type Mesh, type MeshDocument } from '../../src/index.ts';
import type { Bench } from '../adapters/bench.ts';
import { CertificateFolder } from '../tls/certificate-folder.ts';
import { createAuthority, type LeafRequest, type TestAuthority } from '../tls/test-authority.ts';
import type { ServiceDocument, TrafficPolicy } from './virtual-mesh.ts';

export type Tls = NonNullable<TrafficPolicy['tls']>;

/** An authority, a folder with its certificate in `ca.crt`, and servers with certificates of it. */
export class SecureBench {
  readonly authority: TestAuthority;
  readonly folder: CertificateFolder;
  private readonly bench: Bench;

  private constructor(bench: Bench, authority: TestAuthority, folder: CertificateFolder) {
    this.bench = bench;
    this.authority = authority;
    this.folder = folder;
  }

  static async open(bench: Bench): Promise<SecureBench> {
    const folder = await CertificateFolder.create();
    bench.onClose(() => folder.remove());
    const authority = await createAuthority();
    await folder.write('ca.crt', authority.cert);
    return new SecureBench(bench, authority, folder);
  }

  /** For a traffic policy. */
  get simple(): Tls {
    return { mode: 'SIMPLE', caCertificates: this.folder.file('ca.crt') };
  }

  /** For a traffic policy; {@link writeClient} writes the files. */
  get mutual(): Tls {
    const clientCertificate = this.folder.file('tls.crt');
    return { ...this.simple, mode: 'MUTUAL', clientCertificate, privateKey: this.folder.file('tls.key') };
  }

  /** A new certificate of ours. */
  async writeClient(request: LeafRequest): Promise<void> {
    await this.folder.writeLeaf(await this.authority.issue(request));
  }

  /** An HTTPS server whose certificate has these names; its address. */
  async server(names: LeafRequest, listener: RequestListener, options: ServerOptions = {}): Promise<string> {
    const server = createServer({ ...(await this.authority.issue(names)), ...options }, listener);
    this.bench.onClose(() => server.closeAllConnections());
    return (await this.bench.listen(server)).address;
  }

  /** One that speaks HTTP/2, and HTTP/1.1 to those who do not ask for it; `sessions` of HTTP/2 are counted. */
  async h2Server(names: LeafRequest, answer: (httpVersion: string) => string) {
    const seen = { address: '', sessions: 0 };
    const server = createSecureServer({ ...(await this.authority.issue(names)), allowHTTP1: true });
    server.on('request', (request, response) => response.end(answer(request.httpVersion)));
    server.on('session', () => seen.sessions++);
    this.bench.onClose(() => server.close());
    seen.address = (await this.bench.listen(server)).address;
    return seen;
  }

  /** `reviews` at these addresses. */
  reviews(addresses: readonly string[], tls: Tls, policy: TrafficPolicy = {}): ServiceDocument {
    const endpoints = addresses.map((address) => ({ address }));
    return { host: 'reviews', endpoints, trafficPolicy: { ...policy, tls } };
  }

  /** A mesh whose document can be changed. */
  async mesh(
    ...services: ServiceDocument[]
  ): Promise<{ mesh: Mesh; reload: (...next: ServiceDocument[]) => Promise<void> }> {
    const registry = new MemoryRegistry({ services } satisfies MeshDocument);
    const mesh = await createMesh({ service: 'productpage', registry });
    this.bench.onClose(() => mesh.close({ timeoutMs: 500 }));
    return {
      mesh,
      async reload(...next) {
        const verdict = await registry.setDocument({ services: next });
        if (!verdict.accepted) throw new Error(verdict.problems.join('\n'));
      },
    };
  }
}

/** The certificate that the client of a request has shown. */
export function clientCertificate(request: IncomingMessage): PeerCertificate {
  return (request.socket as TLSSocket).getPeerCertificate();
}
