import type { MeshDocument } from '../config/schema.ts';
import { makeEndpoint } from '../core/endpoint.ts';
import type { Registry, Sink, Watch } from '../discovery/registry.ts';

/** Where every service of a mocked mesh lives; nothing is ever sent there. */
const nowhere = makeEndpoint({ host: 'mock', port: 1 });

/** A registry that has `document`, and knows every service by name, so that no request leaves the process. */
export function mockRegistry(document: MeshDocument): Registry {
  return {
    name: 'mockMesh',
    watchDocuments: (sink) => emit(sink, [{ name: 'mockMesh', value: document }]),
    watchEndpoints: (_service, sink) => emit(sink, { full: [nowhere] }),
    close: async () => {},
  };
}

/** Emits once, when the caller has got the watch. */
function emit<T>(sink: Sink<T>, value: T): Watch {
  let closed = false;
  queueMicrotask(() => {
    if (!closed) void sink.set(value, '1');
  });
  return {
    close() {
      closed = true;
    },
  };
}
