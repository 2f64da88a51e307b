/**
 * Which driver serves a registry option? The one of its scheme in the one table below. A new driver is a file and a line.
 */
import { fileURLToPath } from 'node:url';
import type { Clock } from '../core/clock.ts';
import { MeshError } from '../core/errors.ts';
import type { Random } from '../core/random.ts';
import { openConsul } from './consul/consul-registry.ts';
import { DnsRegistry, dnsRecords } from './dns/dns-registry.ts';
import { openEtcd } from './etcd/etcd-registry.ts';
import { FileRegistry } from './file/file-registry.ts';
import { openKubernetes } from './kubernetes/open-kubernetes.ts';
import { MemoryRegistry } from './memory-registry.ts';
import type { Registry } from './registry.ts';
import { parseParameters } from './remote/registry-address.ts';

/** What drivers get from the mesh. */
export interface RegistryParts {
  readonly clock: Clock;
  readonly random: Random;
  /** Who asks, where the registry tells its watchers apart: the name of the service. Undefined for a tool. */
  readonly service?: string | undefined;
}

/** Drivers by scheme; each gets what follows the colon. */
const drivers: ReadonlyMap<string, (rest: string, parts: RegistryParts) => Registry> = new Map([
  ['file', openFile],
  ['dns', openDns],
  ['consul', openConsul],
  ['etcd', openEtcd],
  ['kubernetes', openKubernetes],
]);

/**
 * Opens the registry that an option names.
 *
 * @param registry `file:./mesh.yaml` (`file:./a.yaml,./b.yaml`, `file:./folder`, `file:///etc/mesh.yaml`), `dns:`,
 * `dns://127.0.0.1:5353`, `dns:?records=srv`, `consul://127.0.0.1:8500`, `etcd://127.0.0.1:2379`, `kubernetes:`, a
 * document, or a registry, which is given back.
 * @throws MeshError `INMESH_OPTION` for an unknown scheme and for what is none of these.
 */
export function openRegistry(registry: string | object, parts: RegistryParts): Registry {
  if (typeof registry === 'string') {
    const [, scheme = '', rest = ''] = /^([a-z][a-z0-9+.-]*):(.*)$/is.exec(registry) ?? [];
    const open = drivers.get(scheme.toLowerCase());
    if (open !== undefined) return open(rest, parts);
  } else if (typeof registry === 'object' && registry !== null) {
    return isRegistry(registry) ? registry : inline(registry);
  }
  const known = [...drivers.keys()].map((scheme) => `${scheme}:`).join(', ');
  throw new MeshError(
    'INMESH_OPTION',
    `option registry is ${describe(registry)}; allowed: an address that starts with ${known}, a document or a Registry`,
  );
}

/**
 * Nobody else holds it, so nobody will name endpoints that its document lacks: without `watchEndpoints` the mesh knows
 * at once that a host is none of its services, and need not ask.
 */
function inline(document: object): Registry {
  const registry = new MemoryRegistry(document);
  return {
    name: registry.name,
    watchDocuments: (sink) => registry.watchDocuments(sink),
    close: () => registry.close(),
  };
}

/** The scheme says enough: what follows may hold a password. */
function describe(registry: unknown): string {
  if (typeof registry !== 'string') return String(registry);
  const scheme = /^[^:/]{1,20}:/.exec(registry)?.[0];
  return scheme === undefined ? `a text without a known scheme` : `"${scheme}…"`;
}

function isRegistry(value: object): value is Registry {
  return (
    typeof (value as Partial<Registry>).watchDocuments === 'function' ||
    typeof (value as Partial<Registry>).watchEndpoints === 'function'
  );
}

function openFile(rest: string, { clock }: RegistryParts): Registry {
  return new FileRegistry({ paths: pathsOf(rest), clock });
}

/**
 * The paths that `file:` is followed by.
 *
 * @throws MeshError `INMESH_OPTION` for a URL that names no path.
 */
export function pathsOf(rest: string): string[] {
  return rest.split(',').map((path) => (path.startsWith('//') ? absolutePath(path) : path));
}

function absolutePath(path: string): string {
  try {
    return fileURLToPath(`file:${path}`);
  } catch (cause) {
    const message = `option registry: file:${path}; allowed: file:./path or file:///path`;
    throw new MeshError('INMESH_OPTION', message, { cause });
  }
}

function openDns(rest: string, parts: RegistryParts): Registry {
  const [matched, server, query = ''] = /^(?:\/\/([^/?]+)\/?)?(?:\?(.*))?$/s.exec(rest) ?? [];
  const example = 'dns: or dns://127.0.0.1:53, with ?records=srv for service records';
  if (matched === undefined) {
    throw new MeshError('INMESH_OPTION', `option registry: not an address of dns:; allowed: ${example}`);
  }
  const parameters = parseParameters(query, { scheme: 'dns', defaultPort: 53, parameters: ['records'], example });
  const given = parameters.get('records') ?? 'address';
  const records = dnsRecords.find((known) => known === given);
  if (records === undefined) {
    const allowed = dnsRecords.join(', ');
    throw new MeshError(
      'INMESH_OPTION',
      `option registry: dns: parameter records has another value; allowed: ${allowed}`,
    );
  }
  return new DnsRegistry({ ...parts, server, records });
}
