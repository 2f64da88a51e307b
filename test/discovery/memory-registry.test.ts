import { describe, expect, it } from 'vitest';
import { type Endpoint, makeEndpoint } from '../../src/core/endpoint.ts';
import { MemoryRegistry } from '../../src/discovery/memory-registry.ts';
import type { EndpointChange, Sink } from '../../src/discovery/registry.ts';
import { registryContract } from '../contracts/registry-contract.ts';
import { documentAddresses } from './document-addresses.ts';

registryContract('MemoryRegistry', async () => {
  const registry = new MemoryRegistry({});
  return {
    registry,
    watch: (sink) => registry.watchDocuments(documentAddresses(sink)),
    publish: async (addresses) => void (await registry.setDocument({ addresses })),
    publishNonsense: async () => void (await registry.setDocument({})),
    tick: async () => {},
    dispose: async () => {},
  };
});

describe('MemoryRegistry', () => {
  it('says that there is no document', async () => {
    const registry = new MemoryRegistry();
    const version = await new Promise<string>((absent) => {
      registry.watchDocuments({ set: () => ({ accepted: true }), absent, failed: () => {} });
    });
    expect(version).toBe('1');
  });

  it('gives the verdict of a watch that refuses', async () => {
    const registry = new MemoryRegistry({});
    const refused = { accepted: false, problems: ['no'] } as const;
    registry.watchDocuments({ set: () => ({ accepted: true }), absent: () => {}, failed: () => {} });
    expect(await registry.setDocument({})).toEqual({ accepted: true });
    registry.watchDocuments({ set: async () => refused, absent: () => {}, failed: () => {} });
    expect(await registry.setDocument({})).toEqual(refused);
  });

  it('tells the endpoints of the service that is watched, and when they are gone', async () => {
    const registry = new MemoryRegistry();
    const endpoint = makeEndpoint({ host: 'a', port: 1 });
    const told: (readonly Endpoint[] | 'absent')[] = [];
    const sink: Sink<EndpointChange> = {
      set: (change) => {
        told.push('full' in change ? change.full : change.put);
        return { accepted: true };
      },
      absent: () => told.push('absent'),
      failed: () => {},
    };
    const watch = registry.watchEndpoints('reviews', sink);
    await registry.setEndpoints('ratings', [endpoint]);
    await registry.setEndpoints('reviews', [endpoint]);
    await registry.setEndpoints('reviews', undefined);
    watch.close();
    await registry.setEndpoints('reviews', [endpoint]);
    expect(told).toEqual(['absent', [endpoint], 'absent']);
  });
});
