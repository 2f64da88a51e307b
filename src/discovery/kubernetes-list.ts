/**
 * How is a resource of Kubernetes listed? In pages, so that no reply is large and none holds up the calls of the
 * process. All pages are of one version; when the server has forgotten that before the last page, the list begins anew.
 */
import type { Clock } from '../core/clock.ts';
import { type AskedResource, goneStatus, nonsenseError, statusError } from './kubernetes-status.ts';
import { LoopTurns } from './loop-turns.ts';
import type { RegistryClient } from './registry-client.ts';

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

/** A page, as far as it is understood. */
interface Page {
  readonly items: readonly unknown[];
  readonly version: string;
  /** Of the next page; undefined for the last. */
  readonly next: string | undefined;
}

/** A page may take this long, in ms. */
const pageTimeoutMs = 15_000;

/** How a list is asked for. */
export interface ListRequest {
  readonly client: RegistryClient;
  readonly clock: Clock;
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
  const { client, clock, signal, background } = request;
  const turns = new LoopTurns(clock);
  const objects = new Map<string, T>();
  let next: string | undefined;
  for (let beginnings = 1; ; ) {
    const { status, text } = await client.send({
      method: 'GET',
      path: `${resource.path}?${query(resource, next)}`,
      timeoutMs: pageTimeoutMs,
      background,
      signal,
    });
    if (status === goneStatus && next !== undefined && beginnings < maxBeginnings) {
      objects.clear();
      next = undefined;
      beginnings++;
      continue;
    }
    if (status !== 200) throw statusError(resource, status, text);
    const page = readPage(resource, text);
    for (const item of page.items) {
      if (turns.due) await turns.turn();
      signal?.throwIfAborted();
      objects.set(nameOf(resource, item), resource.read(item));
    }
    if (objects.size > maxObjects) throw nonsenseError(resource, `more than ${maxObjects} objects`);
    if (page.next === undefined) return { objects, version: page.version };
    next = page.next;
  }
}

function query<T>({ labelSelector, pageSize }: WatchedResource<T>, next: string | undefined): URLSearchParams {
  return new URLSearchParams({
    labelSelector,
    limit: String(pageSize),
    ...(next === undefined ? undefined : { continue: next }),
  });
}

function readPage(resource: AskedResource, text: string): Page {
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch (cause) {
    throw nonsenseError(resource, 'a list that is no JSON', cause);
  }
  const { items, metadata } = (list ?? {}) as { items?: unknown; metadata?: Record<string, unknown> };
  const { resourceVersion: version, continue: next } = metadata ?? {};
  if (typeof version !== 'string' || version === '') throw nonsenseError(resource, 'a list without a resourceVersion');
  // A server in Go may write an empty list as null.
  if (!Array.isArray(items ?? [])) throw nonsenseError(resource, 'a list without items');
  return {
    items: (items ?? []) as unknown[],
    version,
    next: typeof next === 'string' && next !== '' ? next : undefined,
  };
}

function nameOf(resource: AskedResource, item: unknown): string {
  const name = (item as { metadata?: { name?: unknown } } | null)?.metadata?.name;
  if (typeof name !== 'string') throw nonsenseError(resource, 'an object without a name');
  return name;
}
