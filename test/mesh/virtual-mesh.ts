import { assembleMesh, type Mesh } from '../../src/adapters/create-mesh.ts';
import type { MeshDocument } from '../../src/config/schema.ts';
import { endpointKey } from '../../src/core/endpoint.ts';
import { seededRandom } from '../../src/core/random.ts';
import { MemoryRegistry } from '../../src/discovery/memory-registry.ts';
import type { Registry } from '../../src/discovery/registry.ts';
import type { MeshOptions } from '../../src/mesh/create-engine.ts';
import type { EndpointProfile } from '../../src/testing/endpoint-profile.ts';
import { FakeNetwork } from '../../src/testing/fake-network.ts';
import { VirtualClock } from '../../src/testing/virtual-clock.ts';

export type ServiceDocument = NonNullable<MeshDocument['services']>[number];
export type TrafficPolicy = NonNullable<ServiceDocument['trafficPolicy']>;

/** What a test opens a {@link VirtualMesh} with. */
export interface VirtualMeshOptions extends Partial<Omit<MeshOptions, 'registry'>> {
  /** Default: a `MemoryRegistry` of the document. */
  readonly registry?: Registry;
  /** How endpoints behave. Default: they answer 200 after 5 ms. */
  readonly endpoints?: Readonly<Record<string, EndpointProfile>>;
  readonly defaultProfile?: EndpointProfile;
}

/** A mesh in virtual time over fake endpoints. */
export interface VirtualMesh<R extends Registry = Registry> {
  readonly mesh: Mesh;
  readonly clock: VirtualClock;
  readonly network: FakeNetwork;
  readonly registry: R;
  /** The addresses that pools were made for, in order. */
  readonly pools: string[];
  /** What `mesh.status()` says of the endpoints of a service, by address. */
  endpoints(host?: string): Record<string, { healthy: boolean; inFlight: number }>;
  /** Closes the mesh; time moves as far as that takes. */
  close(): Promise<void>;
}

/** Opens a mesh of `document`. */
export async function virtualMesh(
  document: MeshDocument,
  options: VirtualMeshOptions = {},
): Promise<VirtualMesh<MemoryRegistry>> {
  const registry = new MemoryRegistry(document, 'memory');
  return { ...(await virtualMeshOver(registry, options)), registry };
}

/** Opens a mesh over a registry of the test. */
export async function virtualMeshOver<R extends Registry>(
  registry: R,
  { endpoints = {}, defaultProfile = {}, ...options }: VirtualMeshOptions = {},
): Promise<VirtualMesh<R>> {
  const clock = new VirtualClock();
  const network = new FakeNetwork({ clock, random: seededRandom(2), endpoints, defaultProfile });
  const pools: string[] = [];
  const mesh = await assembleMesh(
    { service: 'productpage', clock, random: seededRandom(1), ...options, registry },
    {
      connect: (endpoint, config, secure) => {
        pools.push(endpointKey(endpoint));
        return network.connect(endpoint, config, secure);
      },
    },
  );
  return {
    mesh,
    clock,
    network,
    registry,
    pools,
    endpoints: (host = 'reviews') =>
      Object.fromEntries(
        mesh
          .status()
          .services.filter((service) => service.host === host)
          .flatMap((service) => service.endpoints)
          .map(({ address, healthy, inFlight }) => [address, { healthy, inFlight }]),
      ),
    async close() {
      const closing = mesh.close({ timeoutMs: 100 });
      await clock.advance(200);
      await closing;
    },
  };
}

/** `reviews` at these addresses. */
export function reviews(addresses: readonly string[], trafficPolicy?: TrafficPolicy): ServiceDocument {
  const endpoints = addresses.map((address) => ({ address }));
  return { host: 'reviews', endpoints, ...(trafficPolicy === undefined ? undefined : { trafficPolicy }) };
}
