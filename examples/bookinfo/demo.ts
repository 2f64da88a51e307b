/**
 * Bookinfo, live: `npm run demo` starts its processes, asks for pages all the time, and breaks one thing after the
 * other. It ends by itself, with exit code 1 when a promise was not kept. `npm run demo -- --serve` leaves it running,
 * to be played with. With `--registry consul` or `--registry etcd` the registry is a server that it starts.
 */
import { parseArgs } from 'node:util';
import { Fleet } from './fleet.ts';
import { MeshFile } from './mesh-file.ts';
import { playAll } from './play.ts';
import { cliPath } from './publish-document.ts';
import { RegistryServer, registryKinds } from './registry-server.ts';
import { Progress, table } from './report.ts';

const { values } = parseArgs({
  options: { serve: { type: 'boolean', default: false }, registry: { type: 'string', default: 'file' } },
});

const server = await openServer(values.registry);
const file = new MeshFile(new URL('mesh.yaml', import.meta.url));
if (values.serve) file.addUserRoute('jason', 'v2');
process.once('exit', () => file.delete());
const fleet = new Fleet(file, server?.address);
// An exit lets go of the processes and of the copy of the document.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(130));

const progress = new Progress();
if (server !== undefined) {
  progress.tell(`starting ${server.address}, which is ${server.program}`);
  await server.start();
}
progress.tell(`starting ${file.placements.length} processes`);
await Promise.race([fleet.start(), fleet.crashed]);
progress.tell('they are up, and each knows where the others are');
await (values.serve ? explore() : perform());

async function openServer(name: string): Promise<RegistryServer | undefined> {
  if (name === 'file') return undefined;
  try {
    const kind = registryKinds.find((known) => known === name);
    if (kind !== undefined) return await RegistryServer.open(kind);
    throw new Error(`--registry is ${name}; allowed: file, ${registryKinds.join(', ')}`);
  } catch (error) {
    console.error((error as Error).message);
    process.exit(1);
  }
}

async function perform(): Promise<void> {
  const played = await Promise.race([playAll({ fleet, file, server }, progress), fleet.crashed]);
  progress.tell('the end');
  await fleet.stop();
  await server?.dispose();
  const broken = played.flatMap(({ verdicts }) => verdicts).filter(({ kept }) => !kept).length;
  console.log(`\n${table(played)}\n`);
  console.log(broken === 0 ? 'Every promise was kept.' : `Promises not kept: ${broken}.`);
  process.exit(broken === 0 ? 0 : 1);
}

async function explore(): Promise<void> {
  const at = (replica: string, path: string) => fleet.url(replica, path);
  const publishes = `node ${cliPath} registry apply ${file.path} --registry ${server?.address}`;
  const follows = `edit it; all processes follow${server === undefined ? '' : ` once it is published: ${publishes}`}`;
  console.log(`
the page          ${at('productpage-1', '/productpage')}
as jason          ${at('productpage-1', '/productpage?user=jason')}
as JSON           curl -H 'end-user: jason' ${at('productpage-1', '/api/v1/products/0')}
its metrics       ${at('productpage-1', '/metrics')}
the document      ${file.path} (${follows})
a slow replica    curl -X POST '${at('reviews-v1-1', '/fault?delayMs=1000')}'
a broken one      curl -X POST '${at('reviews-v1-2', '/fault?status=500')}'
well again        curl -X POST '${at('reviews-v1-1', '/fault')}'

${fleet
  .all()
  .map(({ placement, port, child }) => `${placement.replica.padEnd(16)}  port ${port}  pid ${child.pid}`)
  .join('\n')}

Kill one and see. Ctrl-C ends everything.`);
  // The processes keep this one alive.
  await new Promise(() => {});
}
