/**
 * A program that imports the mesh and nothing else, and sends the same request by built-in fetch in every way that there
 * is: `node test/compat/importer.ts 127.0.0.1:80`. In a process of its own, because undici, which the tests import,
 * changes built-in fetch as well.
 */
import { createMesh } from '../../src/index.ts';

const address = process.argv[2] as string;
const direct = `http://${address}/`;
const init = { method: 'POST', body: 'abc', headers: { 'content-length': '3' } };

async function send(url: string, more?: object) {
  try {
    const response = await fetch(url, { ...init, ...more });
    return { status: response.status, body: await response.text() };
  } catch (error) {
    return { error: String((error as Error).cause) };
  }
}

const ofPlatform = () => (globalThis as Record<symbol, unknown>)[Symbol.for('undici.globalDispatcher.1')];
const before = ofPlatform();
const imported = await send(direct);
const registry = { services: [{ host: 'reviews', endpoints: [{ address }] }] };
const mesh = await createMesh({ service: 'importer', registry });
const dispatched = await send('http://reviews/', { dispatcher: mesh.dispatcher });
const uninstall = mesh.install();
const installed = await send('http://reviews/');
const passed = await send(direct);
uninstall();
const restored = await send(direct);
await mesh.close();
const results = { imported, dispatched, installed, passed, restored, before: ofPlatform() === before };
process.stdout.write(JSON.stringify(results));
