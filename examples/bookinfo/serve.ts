/**
 * What do all services of Bookinfo have in common? A server of node:http inside the mesh, and what whoever looks
 * after them asks for: `/stats`, `/metrics`, and `POST /fault`, which makes a replica slow or broken on purpose.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { createMesh, type Mesh } from 'inmesh';
import { Registry } from 'prom-client';

/** A request for a service. */
export interface Incoming {
  readonly path: string;
  /** Who is logged in. */
  readonly user: string | undefined;
}

/** What a service answers: `json`, or `html`. */
export interface Answer {
  readonly status?: number;
  readonly json?: unknown;
  readonly html?: string;
}

/** What `/stats` says. */
export interface Stats {
  /** The version of the document in force. */
  readonly version: string | undefined;
  /** What is wrong with the last document, when it was refused. */
  readonly problems: readonly string[];
  /** Where the services are, as far as this process knows. */
  readonly addresses: readonly string[];
  /** Requests so far, those of whoever looks after the service not counted. */
  readonly requests: number;
  /** Retries of the calls to other services so far. */
  readonly retries: number;
}

/** What a replica does wrong on purpose; nothing when it is empty. */
export interface Fault {
  readonly delayMs?: number;
  /** Answered at once, in place of an answer. */
  readonly status?: number;
}

/** The name of this replica, for people. */
export const replica = process.env.REPLICA ?? `process ${process.pid}`;

/** The version of this replica. */
export const version = process.env.VERSION ?? 'v1';

const registry = process.env.MESH ?? `file:${fileURLToPath(new URL('mesh.yaml', import.meta.url))}`;

/** How long the others have to learn that this replica goes, before it does, in ms. */
const propagationMs = 300;

/**
 * Starts a service; `answer` answers its requests. The port is that of `PORT`, or a free one. In a shared registry the
 * service registers itself; a file says where it is.
 */
export async function serve(
  service: string,
  answer: (incoming: Incoming, mesh: Mesh) => Promise<Answer>,
): Promise<void> {
  const mesh = await createMesh({ service, registry });
  const metrics = new Registry();
  mesh.metrics.attach(metrics);
  const inbound = mesh.inbound();
  let fault: Fault = {};
  let requests = 0;

  const handle = async (request: IncomingMessage, gone: AbortSignal): Promise<Answer | string> => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost');
    if (pathname === '/metrics') return metrics.metrics();
    if (pathname === '/stats') return { json: await statsOf(mesh, metrics, requests) };
    if (pathname === '/fault' && request.method === 'POST') {
      fault = faultOf(searchParams);
      return { json: fault };
    }
    requests++;
    if (fault.delayMs !== undefined) await sleep(fault.delayMs, undefined, { signal: gone });
    if (fault.status !== undefined) return { status: fault.status, json: { error: `${replica} is broken on purpose` } };
    const user = request.headers['end-user'] ?? searchParams.get('user') ?? undefined;
    return answer({ path: pathname, user: Array.isArray(user) ? user[0] : user }, mesh);
  };

  // Idle connections are closed by the callers, never here: a request could be on its way already.
  const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
    inbound(request, response, () => void respond(handle, request, response));
  });
  process.once('SIGTERM', async () => {
    await mesh.drain({ propagationMs, timeoutMs: 1_000 });
    process.exit();
  });
  // The demo is gone, however it ended: no process is left behind.
  process.once('disconnect', () => process.exit());

  await once(server.listen(Number(process.env.PORT ?? 0), '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  if (!registry.startsWith('file:')) await mesh.register({ port, address: '127.0.0.1', labels: { version } });
  if (process.send === undefined) console.log(`${replica} is at http://127.0.0.1:${port}`);
  else process.send({ port });
}

/** Where the services are, as far as a mesh knows. */
export function knownAddresses(mesh: Mesh): string[] {
  return mesh.status().services.flatMap(({ endpoints }) => endpoints.map(({ address }) => address));
}

async function respond(
  handle: (request: IncomingMessage, gone: AbortSignal) => Promise<Answer | string>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  try {
    const answer = await handle(request, gone.signal);
    if (typeof answer === 'string') send(response, 200, 'text/plain; version=0.0.4', answer);
    else if (answer.html !== undefined) send(response, answer.status ?? 200, 'text/html; charset=utf-8', answer.html);
    else send(response, answer.status ?? 200, 'application/json', JSON.stringify(answer.json));
  } catch (error) {
    if (!gone.signal.aborted) send(response, 500, 'application/json', JSON.stringify({ error: String(error) }));
  }
}

/** One write, so that head and body leave together. */
function send(response: ServerResponse, status: number, type: string, text: string): void {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(text) }).end(text);
}

async function statsOf(mesh: Mesh, metrics: Registry, requests: number): Promise<Stats> {
  const { version, problems } = mesh.status().configuration;
  const retries = await metrics.getSingleMetric('inmesh_retries_total')?.get();
  // The series of a service alone counts everything; those of its routes are parts of it.
  const whole = (retries?.values ?? []).filter(({ labels }) => labels.route === undefined);
  return {
    version,
    problems,
    addresses: knownAddresses(mesh),
    requests,
    retries: whole.reduce((sum, { value }) => sum + value, 0),
  };
}

function faultOf(query: URLSearchParams): Fault {
  const number = (name: string) => (query.has(name) ? { [name]: Number(query.get(name)) } : {});
  return { ...number('delayMs'), ...number('status') };
}
