/**
 * Bookinfo, live: `npm run demo` starts its processes, asks for pages all the time, and breaks one thing after the
 * other. It ends by itself, with exit code 1 when a promise was not kept. `npm run demo -- --serve` leaves it running,
 * to be played with.
 */
import { parseArgs } from 'node:util';
import { Fleet } from './fleet.ts';
import { MeshFile } from './mesh-file.ts';
import { playAll } from './play.ts';
import { Progress, table } from './report.ts';

const { values } = parseArgs({ options: { serve: { type: 'boolean', default: false } } });

const file = new MeshFile(new URL('mesh.yaml', import.meta.url));
if (values.serve) file.addUserRoute('jason', 'v2');
process.once('exit', () => file.delete());
const fleet = new Fleet(file);
// An exit lets go of the processes and of the copy of the document.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(130));

const progress = new Progress();
progress.tell(`starting ${file.placements.length} processes`);
await Promise.race([fleet.start(), fleet.crashed]);
progress.tell('they are up, and each knows where the others are');
await (values.serve ? explore() : perform());

async function perform(): Promise<void> {
  const played = await Promise.race([playAll(fleet, file, progress), fleet.crashed]);
  progress.tell('the end');
  await fleet.stop();
  const broken = played.flatMap(({ verdicts }) => verdicts).filter(({ kept }) => !kept).length;
  console.log(`\n${table(played)}\n`);
  console.log(broken === 0 ? 'Every promise was kept.' : `Promises not kept: ${broken}.`);
  process.exit(broken === 0 ? 0 : 1);
}

async function explore(): Promise<void> {
  const at = (replica: string, path: string) => fleet.url(replica, path);
  console.log(`
the page          ${at('productpage-1', '/productpage')}
as jason          ${at('productpage-1', '/productpage?user=jason')}
as JSON           curl -H 'end-user: jason' ${at('productpage-1', '/api/v1/products/0')}
its metrics       ${at('productpage-1', '/metrics')}
the document      ${file.path} (edit it; all processes follow)
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
