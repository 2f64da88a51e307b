import { describe, expect, it } from 'vitest';
import { isMeshError } from '../../src/core/errors.ts';
import { seededRandom } from '../../src/core/random.ts';
import { MemoryRegistry } from '../../src/discovery/memory-registry.ts';
import { openRegistry } from '../../src/discovery/open-registry.ts';
import { VirtualClock } from '../../src/testing/virtual-clock.ts';

const parts = { clock: new VirtualClock(), random: seededRandom(1) };

describe('openRegistry', () => {
  it.each([
    ['file:./mesh.yaml', 'file:./mesh.yaml'],
    ['FILE:./mesh.yaml', 'file:./mesh.yaml'],
    ['file:./a.yaml,./b.yaml', 'file:./a.yaml,./b.yaml'],
    ['file:///etc/mesh%20one.yaml', 'file:/etc/mesh one.yaml'],
    ['dns:', 'dns:'],
    ['dns://127.0.0.1:5353', 'dns://127.0.0.1:5353'],
    ['dns://127.0.0.1/', 'dns://127.0.0.1'],
    ['dns:?records=address', 'dns:'],
    ['dns:?records=srv', 'dns:?records=srv'],
    ['dns://127.0.0.1:53?records=srv', 'dns://127.0.0.1:53?records=srv'],
  ])('opens %s', (address, name) => {
    expect(openRegistry(address, parts).name).toBe(name);
  });

  it('takes a document for an inline one', () => {
    const registry = openRegistry({ services: [] }, parts);
    expect(registry.name).toBe('inline');
    expect(registry.watchDocuments).toBeTypeOf('function');
    // What the document does not name is unknown, at once.
    expect(registry.watchEndpoints).toBeUndefined();
  });

  it('gives a registry back', () => {
    const registry = new MemoryRegistry({});
    expect(openRegistry(registry, parts)).toBe(registry);
  });

  it.each([
    ['zookeeper://user:secret@x', 'option registry is "zookeeper:…"; allowed: an address that starts with file:, dns:'],
    ['./mesh.yaml', 'option registry is a text without a known scheme'],
    ['', 'option registry is a text without a known scheme'],
    ['file:', 'file: without a path'],
    ['file://host/mesh.yaml', 'file:///path'],
    ['dns:reviews', 'allowed: dns: or dns://127.0.0.1:53'],
    ['dns://nonsense', 'dns: the server is no IP address; allowed: dns://127.0.0.1:53'],
    ['dns://user:secret@127.0.0.1', 'dns: the server is no IP address'],
    ['dns:secret', 'not an address of dns:; allowed: dns: or dns://127.0.0.1:53'],
    ['dns:?records=secret', 'parameter records has another value; allowed: address, srv'],
    ['dns:?secret', 'dns: unknown parameter; allowed: records'],
    [null, 'option registry is null'],
  ])('refuses %j', (registry, message) => {
    const open = () => openRegistry(registry as string, parts);
    expect(open).toThrow(message);
    try {
      open();
    } catch (error) {
      expect(isMeshError(error, 'INMESH_OPTION')).toBe(true);
      expect(String(error)).not.toContain('secret');
    }
  });
});
