/**
 * A program that has used a mesh and does nothing more: connections kept alive, a registry file that is watched, a
 * deadline in force, an ejection running. It must exit by itself.
 *
 * `node test/faults/idle-process.ts <mesh file>`; prints when it has nothing left to do.
 */
import { createMesh } from '../../src/index.ts';

const mesh = await createMesh({
  service: 'idle',
  registry: `file:${process.argv[2]}`,
  defaults: { timeoutMs: 60_000 },
});
mesh.install();
for (let round = 0; round < 5; round++) {
  await (await mesh.fetch('http://reviews/')).text();
  await (await mesh.request('http://reviews/', { method: 'POST', body: 'x' })).body.dump();
  await (await fetch('http://reviews/')).text();
  await mesh.request('http://down/').catch(() => {});
}
await mesh.command('nothing', async () => {}, { timeoutMs: 60_000 });
process.stdout.write('done\n');
