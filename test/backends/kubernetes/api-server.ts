/**
 * An API server of Kubernetes for tests: list in pages, watch with bookmarks, create, replace and delete with versions,
 * and what goes wrong with it. Its answers have the form of the recorded ones beside it.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createSecureServer, type Http2SecureServer } from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { KubernetesAccess } from '../../../src/discovery/kubernetes/kubernetes-access.ts';
import { type ApiChange, type ApiObject, ApiObjects, isSelected, typeFor } from './api-objects.ts';

interface RunningWatch {
  readonly place: string;
  readonly selector: string;
  readonly response: ServerResponse;
  /** Writes are in order, however slow. */
  written: Promise<void>;
}

interface Kind {
  readonly kind: string;
  readonly apiVersion: string;
}

const kinds: Readonly<Record<string, Kind>> = {
  endpointslices: { kind: 'EndpointSlice', apiVersion: 'discovery.k8s.io/v1' },
  configmaps: { kind: 'ConfigMap', apiVersion: 'v1' },
};

/** Path, namespace, resource, name. */
const route = /^(?:\/prefix)?\/(?:api\/v1|apis\/discovery\.k8s\.io\/v1)\/namespaces\/([^/]+)\/([^/]+)(?:\/([^/]+))?$/;

/** The server. Faults are set on it, and are as long as they are set unless they say otherwise. */
export class ApiServer {
  readonly objects = new ApiObjects();
  /** Of all requests: method and URL. */
  readonly requests: string[] = [];
  /** What must be in the header `authorization`; anything when undefined. */
  authorization: string | undefined;
  /** Statuses that the next requests get, instead of what they ask for. */
  readonly statuses: number[] = [];
  /** The status that a request gets (method and URL) instead of what it asks for; undefined for none. */
  refuses: (request: string) => number | undefined = () => undefined;
  /** Whether the bodies of errors never end. */
  stallsErrors = false;
  /** Whether a version that is too old is told by an event within the watch, as by newer servers, or by a status. */
  goneAs: 'status' | 'event' = 'event';
  /** Whether bytes of events come one by one. */
  isSlow = false;
  /** Whether a watch begins with an `ADDED` for each object, also for those that its version knows. */
  repeatsAdded = false;
  private readonly tls: { cert: string; key: string } | undefined;
  private server: Server | Http2SecureServer | undefined;
  private port = 0;
  private readonly sockets = new Set<Socket>();
  private readonly watches = new Set<RunningWatch>();
  private listeners: (() => void)[] = [];

  constructor(tls?: { cert: string; key: string }) {
    this.tls = tls;
  }

  /** What a registry needs to talk to it. */
  get access(): KubernetesAccess {
    return { host: `127.0.0.1:${this.port}`, pathPrefix: '', tls: undefined, token: undefined, namespace: 'shop' };
  }

  get watchCount(): number {
    return this.watches.size;
  }

  get connectionCount(): number {
    return this.sockets.size;
  }

  /** Listens, after {@link stop} on the same port. */
  async start(): Promise<void> {
    const handle = (request: IncomingMessage, response: ServerResponse) => void this.handle(request, response);
    this.server =
      this.tls === undefined
        ? createServer(handle)
        : createSecureServer({ ...this.tls, allowHTTP1: true }, handle as never);
    this.server.on('connection', (socket: Socket) => {
      this.sockets.add(socket);
      socket.once('close', () => this.sockets.delete(socket));
    });
    this.server.listen(this.port, '127.0.0.1');
    await once(this.server, 'listening');
    this.port = (this.server.address() as AddressInfo).port;
  }

  /** Nobody answers any more, and all connections break. */
  async stop(): Promise<void> {
    const { server } = this;
    this.server = undefined;
    if (server === undefined) return;
    const closed = once(server, 'close');
    server.close();
    this.cutWatches();
    await closed;
  }

  put(place: string, object: ApiObject): void {
    this.tell(this.objects.put(place, object));
  }

  delete(place: string, name: string): void {
    const change = this.objects.delete(place, name);
    if (change !== undefined) this.tell(change);
  }

  /** Sends this to all watches, as it is. */
  send(text: string): void {
    for (const watch of this.watches) this.write(watch, text);
  }

  /** Tells all watches the current version, in form of a bookmark. */
  bookmark(): void {
    for (const watch of this.watches) this.write(watch, `${JSON.stringify(this.bookmarkFor(watch))}\n`);
  }

  /** Ends all watches well, as the server does when their time is over. */
  endWatches(): void {
    for (const { response, written } of this.watches) void written.then(() => response.end());
  }

  /** Breaks all connections. */
  cutWatches(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  /** Resolves when `condition` holds; it is looked at after each request, and when a watch ends. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.listeners.push(resolve));
  }

  private async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url = '' } = request;
    this.requests.push(`${method} ${url}`);
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { pathname, searchParams } = new URL(url, 'http://api');
    const [, namespace, resource = '', name] = route.exec(pathname) ?? [];
    const status = this.statuses.shift() ?? this.refuses(`${method} ${url}`);
    if (this.authorization !== undefined && request.headers.authorization !== this.authorization) {
      this.refuse(response, 401, 'Unauthorized', 'Unauthorized');
    } else if (status !== undefined) this.refuse(response, status, 'Refused', `${resource} is refused`);
    else if (kinds[resource] === undefined) this.refuse(response, 404, 'NotFound', 'no such resource');
    else {
      const place = `${resource}/${namespace}`;
      const body = chunks.length === 0 ? undefined : JSON.parse(Buffer.concat(chunks).toString());
      if (method !== 'GET') this.change(response, method, place, name, body);
      else if (name !== undefined) this.answerObject(response, place, name);
      else if (searchParams.get('watch') === 'true') this.watch(response, place, searchParams);
      else this.list(response, place, searchParams);
    }
    this.wake();
  }

  private list(response: ServerResponse, place: string, query: URLSearchParams): void {
    const { version } = this.objects;
    const [from = 0, atVersion = version] = (query.get('continue') ?? '').split(',').filter(Boolean).map(Number);
    if (this.objects.since(atVersion) === undefined) {
      this.refuse(response, 410, 'Expired', 'The provided continue parameter is too old');
      return;
    }
    const selected = this.objects.all(place).filter((object) => isSelected(object, query.get('labelSelector') ?? ''));
    const limit = Number(query.get('limit') ?? selected.length);
    const rest = selected.length - from - limit;
    const { kind, apiVersion } = kindOf(place);
    this.answer(response, 200, {
      kind: `${kind}List`,
      apiVersion,
      metadata: {
        resourceVersion: String(atVersion),
        ...(rest > 0 ? { continue: `${from + limit},${atVersion}` } : undefined),
      },
      items: selected.slice(from, from + limit),
    });
  }

  private watch(response: ServerResponse, place: string, query: URLSearchParams): void {
    const changes = this.objects.since(Number(query.get('resourceVersion')));
    const message = `too old resource version: ${query.get('resourceVersion')} (${this.objects.version})`;
    if (changes === undefined && this.goneAs === 'status') {
      this.refuse(response, 410, 'Expired', message);
      return;
    }
    response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders?.();
    const watch = { place, selector: query.get('labelSelector') ?? '', response, written: Promise.resolve() };
    if (changes === undefined) {
      this.write(watch, `${JSON.stringify({ type: 'ERROR', object: statusObject(410, 'Expired', message) })}\n`);
      void watch.written.then(() => response.end());
      return;
    }
    this.watches.add(watch);
    response.once('close', () => {
      this.watches.delete(watch);
      this.wake();
    });
    if (this.repeatsAdded) {
      for (const object of this.objects.all(place))
        this.tellOne(watch, { version: 0, place, object, before: undefined, isDeleted: false });
    }
    for (const change of changes) this.tellOne(watch, change);
  }

  private change(response: ServerResponse, method: string, place: string, name: string | undefined, body: ApiObject) {
    const current = this.objects.get(place, name ?? body.metadata.name);
    const expected =
      method === 'DELETE'
        ? (body as { preconditions?: { resourceVersion?: string } } | undefined)?.preconditions?.resourceVersion
        : body.metadata.resourceVersion;
    if (method === 'POST' && current !== undefined) this.refuse(response, 409, 'AlreadyExists', 'it is there already');
    else if (method !== 'POST' && current === undefined) this.refuse(response, 404, 'NotFound', 'there is none');
    else if (method !== 'POST' && expected !== undefined && expected !== current?.metadata.resourceVersion) {
      this.refuse(response, 409, 'Conflict', 'the object has been modified');
    } else if (method === 'DELETE') {
      this.delete(place, name as string);
      this.answer(response, 200, { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success' });
    } else {
      this.put(place, body);
      this.answerObject(response, place, body.metadata.name, method === 'POST' ? 201 : 200);
    }
  }

  private answerObject(response: ServerResponse, place: string, name: string, status = 200): void {
    const object = this.objects.get(place, name);
    if (object === undefined) this.refuse(response, 404, 'NotFound', `${name} not found`);
    else this.answer(response, status, { ...kindOf(place), ...object });
  }

  private tell(change: ApiChange): void {
    for (const watch of this.watches) this.tellOne(watch, change);
  }

  private tellOne(watch: RunningWatch, change: ApiChange): void {
    const { place, object } = change;
    const type = place === watch.place ? typeFor(watch.selector, change) : undefined;
    if (type === undefined) return;
    this.write(watch, `${JSON.stringify({ type, object: { ...kindOf(place), ...object } })}\n`);
  }

  private write(watch: RunningWatch, text: string): void {
    const { isSlow } = this;
    watch.written = watch.written.then(async () => {
      if (!isSlow) watch.response.write(text);
      else {
        for (const byte of Buffer.from(text)) {
          watch.response.write(Buffer.of(byte));
          await nextTurn();
        }
      }
    });
  }

  private bookmarkFor({ place }: RunningWatch): unknown {
    const metadata = { resourceVersion: String(this.objects.version), creationTimestamp: null };
    return { type: 'BOOKMARK', object: { ...kindOf(place), metadata } };
  }

  private refuse(response: ServerResponse, status: number, reason: string, message: string): void {
    if (!this.stallsErrors) this.answer(response, status, statusObject(status, reason, message));
    else response.writeHead(status).write('{');
  }

  private answer(response: ServerResponse, status: number, body: unknown): void {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(`${JSON.stringify(body)}\n`);
  }

  private wake(): void {
    for (const listener of this.listeners.splice(0)) listener();
  }
}

function kindOf(place: string): Kind {
  return kinds[place.split('/')[0] as string] as Kind;
}

function statusObject(code: number, reason: string, message: string): unknown {
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, reason, code };
}
