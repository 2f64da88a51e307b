/**
 * How is a resource of Kubernetes listed? In pages, so that no reply is large, and object by object, so that none holds
 * up the calls of the process. All pages are of one version; when the server has forgotten that before the last page,
 * the list begins anew.
 */

import type { LoopTurns } from '../loop-turns.ts';
import { readJsonList } from '../remote/json-list.ts';
import type { RegistryClient, RegistryStream } from '../remote/registry-client.ts';
import { type AskedResource, errorText, goneStatus, nonsenseError, statusError } from './kubernetes-status.ts';

/** The objects of one kind in one namespace that a selector selects. */
export interface WatchedResource<T> extends AskedResource {
  /** `/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices` */
  readonly path: string;
  readonly labelSelector: string;
  /** How many objects are in a page. */
  readonly pageSize: number;
  /** What of an object is of interest. Must not throw: objects are as the server sent them. */
  readonly read: (object: unknown) => T;
}

/** What is there. */
export interface ListedObjects<T> {
  readonly objects: ReadonlyMap<string, T>;
  readonly version: string;
}

/** What is known of a page besides its objects. */
interface Page {
  readonly version: string;
  /** Of the next page; undefined for the last. */
  readonly next: string | undefined;
}

/** A page may take this long, in ms. */
const pageTimeoutMs = 15_000;

/** How a list is asked for. */
export interface ListRequest {
  readonly client: RegistryClient;
  readonly turns: LoopTurns;
  /** Ends it. */
  readonly signal?: AbortSignal;
  /** Whether the process may exit before the reply. */
  readonly background: boolean;
}

/** More objects than this are a wrong selector. */
const maxObjects = 10_000;

/** A list that is begun so often is too slow for its server. */
const maxBeginnings = 3;

/**
 * Lists a resource.
 *
 * @throws MeshError `INMESH_REGISTRY` when the server does not answer, or refuses; the reason of `signal` when aborted.
 */
export async function listObjects<T>(resource: WatchedResource<T>, request: ListRequest): Promise<ListedObjects<T>> {
  const { client, turns, signal, background } = request;
  const objects = new Map<string, T>();
  const take = async (item: unknown) => {
    if (turns.due) await turns.turn();
    signal?.throwIfAborted();
    objects.set(nameOf(resource, item), resource.read(item));
    if (objects.size > maxObjects) throw nonsenseError(resource, `more than ${maxObjects} objects`);
  };
  let next: string | undefined;
  for (let beginnings = 1; ; ) {
    const path = `${resource.path}?${query(resource, next)}`;
    const page = await client.receive(
      { method: 'GET', path, timeoutMs: pageTimeoutMs, background, signal },
      async ({ status, body }) => {
        if (status === 200) return readPage(resource, body, take);
        const text = await errorText(body);
        if (status === goneStatus && next !== undefined && beginnings < maxBeginnings) return undefined;
        throw statusError(resource, status, text);
      },
    );
    if (page === undefined) {
      objects.clear();
      beginnings++;
    } else if (page.next === undefined) return { objects, version: page.version };
    next = page?.next;
  }
}

function query<T>({ labelSelector, pageSize }: WatchedResource<T>, next: string | undefined): URLSearchParams {
  return new URLSearchParams({
    labelSelector,
    limit: String(pageSize),
    ...(next === undefined ? undefined : { continue: next }),
  });
}

async function readPage(
  resource: AskedResource,
  body: RegistryStream['body'],
  take: (item: unknown) => Promise<void>,
): Promise<Page> {
  let list: unknown;
  try {
    list = await readJsonList(body, 'items', take);
  } catch (error) {
    if (error instanceof SyntaxError) throw nonsenseError(resource, 'a list that is no JSON', error);
    throw error;
  }
  const { items, metadata } = (list ?? {}) as { items?: unknown; metadata?: Record<string, unknown> };
  const { resourceVersion: version, continue: next } = metadata ?? {};
  if (typeof version !== 'string' || version === '') throw nonsenseError(resource, 'a list without a resourceVersion');
  // A server in Go may write an empty list as null.
  if (!Array.isArray(items ?? [])) throw nonsenseError(resource, 'a list without items');
  return { version, next: typeof next === 'string' && next !== '' ? next : undefined };
}

function nameOf(resource: AskedResource, item: unknown): string {
  const name = (item as { metadata?: { name?: unknown } } | null)?.metadata?.name;
  if (typeof name !== 'string') throw nonsenseError(resource, 'an object without a name');
  return name;
}
