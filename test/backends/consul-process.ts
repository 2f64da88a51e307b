/**
 * A program that uses a Consul registry and does nothing more: a watch of endpoints and one of documents, a report, a
 * registration that is renewed. It must exit by itself, with and without an orderly end.
 *
 * `node test/backends/consul-process.ts <host:port> leave|close`; prints when it has nothing left to do.
 */
import { systemClock } from '../../src/core/clock.ts';
import { makeEndpoint } from '../../src/core/endpoint.ts';
import { systemRandom } from '../../src/core/random.ts';
import { openConsul } from '../../src/discovery/consul/consul-registry.ts';

const [, , host, end] = process.argv;
const registry = openConsul(`//${host}`, { clock: systemClock, random: systemRandom, service: 'idle', ttlMs: 30 });
const registration = await registry.register?.('idle', makeEndpoint({ host: '10.0.0.1', port: 80 }));
const { promise, resolve } = Promise.withResolvers<void>();
// Watches do not keep a process alive, so this does.
const held = setInterval(() => {}, 1_000);
registry.watchDocuments?.({ set: () => ({ accepted: true }), absent: () => {}, failed: () => {} });
registry.watchEndpoints?.('idle', {
  set: ({ full }: { full?: readonly object[] } & object) => {
    if (full?.length === 1) resolve();
    return { accepted: true };
  },
  absent: () => {},
  failed: () => {},
});
await promise;
clearInterval(held);
if (end === 'close') {
  await registration?.deregister();
  await registry.close();
}
process.stdout.write('done\n');
