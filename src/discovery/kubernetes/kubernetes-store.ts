/**
 * How are documents written to Kubernetes? Each is a ConfigMap of its own, `inmesh-<name>`, and what it was is in a
 * second one, `inmesh-<name>-history`, that lacks the label and is no document. The API compares and swaps by
 * `resourceVersion`.
 *
 * Two objects cannot be written at once, so what is there goes into the history first: an entry too many, after a write
 * that failed, is that of the document in force, and is not shown; an entry too few would be lost.
 */
import type { Clock } from '../../core/clock.ts';
import { MeshError } from '../../core/errors.ts';
import { LoopTurns } from '../loop-turns.ts';
import type { DocumentStore, FormerDocument, StoredDocument } from '../registry.ts';
import { formerOfText, formerText, keptVersions } from '../remote/kept-text.ts';
import type { RegistryClient, RegistryReply, RegistryRequest } from '../remote/registry-client.ts';
import { listObjects, type WatchedResource } from './kubernetes-list.ts';
import { conflictStatus, nonsenseError, statusError } from './kubernetes-status.ts';

/** A ConfigMap, as far as the store knows it; the rest of it is written back as it was. */
interface ConfigMap {
  readonly metadata: { readonly name: string; readonly resourceVersion?: string };
  readonly data?: Readonly<Record<string, string>> | null;
}

/** The API refuses ConfigMaps above 1 MiB. */
const maxHistoryBytes = 900_000;

/** Writers of one document that meet at its history try so often. */
const maxTries = 5;

const prefix = 'inmesh-';
const historySuffix = '-history';

/** What a ConfigMap may be called, with room for prefix and suffix. */
const documentName = /^[a-z0-9](?:[a-z0-9.-]{0,230}[a-z0-9])?$/;

/**
 * The labels that a ConfigMap must have to be selected; undefined for a selector that says more than `a=b,c=d`.
 */
export function selectedLabels(selector: string): Readonly<Record<string, string>> | undefined {
  const labels: Record<string, string> = {};
  for (const term of selector.split(',')) {
    const [, name, value] = /^\s*([\w./-]+)\s*==?\s*([\w.-]*)\s*$/.exec(term) ?? [];
    if (name === undefined || value === undefined) return undefined;
    labels[name] = value;
  }
  return labels;
}

/** Documents in the ConfigMaps of one namespace. It lists those that it may have written, and no others. */
export class KubernetesStore implements DocumentStore {
  private readonly client: RegistryClient;
  private readonly clock: Clock;
  private readonly resource: WatchedResource<unknown>;
  private readonly labels: Readonly<Record<string, string>>;

  /** @param labels that make a ConfigMap one of `resource`. */
  constructor(
    client: RegistryClient,
    clock: Clock,
    resource: WatchedResource<unknown>,
    labels: Readonly<Record<string, string>>,
  ) {
    this.client = client;
    this.clock = clock;
    this.resource = { ...resource, read: (object) => object };
    this.labels = labels;
  }

  async list(): Promise<readonly StoredDocument[]> {
    const { client, clock } = this;
    const turns = new LoopTurns(clock);
    const { objects } = await listObjects(this.resource, { client, turns, background: false });
    const found: StoredDocument[] = [];
    for (const [configMap, object] of objects) {
      const name = configMap.startsWith(prefix) ? configMap.slice(prefix.length) : '';
      const document = isDocumentName(name) ? documentOf(name, object as ConfigMap) : undefined;
      if (document !== undefined) found.push(document);
    }
    return found.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** @throws MeshError `INMESH_OPTION` also for a name that no ConfigMap may have, or that ends in `-history`. */
  async write(name: string, text: string | undefined, expected: string | undefined): Promise<string | undefined> {
    checkName(name);
    const current = await this.read(prefix + name);
    if (current?.metadata.resourceVersion !== expected) throw this.conflict(name, expected);
    if (current === undefined) return text === undefined ? undefined : await this.create(name, text);
    const former = documentOf(name, current);
    if (former !== undefined) await this.remember({ ...former, replacedAt: this.clock.wallTime() });
    return text === undefined ? await this.delete(name, current) : await this.replace(name, current, text);
  }

  async history(name: string): Promise<readonly FormerDocument[]> {
    checkName(name);
    const [document, history] = await Promise.all([this.read(prefix + name), this.read(historyOf(name))]);
    const inForce = document?.metadata.resourceVersion;
    return formerDocuments(name, history)
      .filter(({ version }) => version !== inForce)
      .reverse();
  }

  private async create(name: string, text: string): Promise<string> {
    const reply = await this.send(name, undefined, {
      method: 'POST',
      path: this.resource.path,
      body: JSON.stringify({
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: prefix + name, labels: this.labels },
        data: { [dataKey(name)]: text },
      }),
    });
    return this.versionOf(reply);
  }

  private async replace(name: string, current: ConfigMap, text: string): Promise<string> {
    const reply = await this.send(name, current.metadata.resourceVersion, {
      method: 'PUT',
      path: this.pathOf(prefix + name),
      body: JSON.stringify({ ...current, data: { ...current.data, [dataKey(name)]: text } }),
    });
    return this.versionOf(reply);
  }

  private async delete(name: string, { metadata: { resourceVersion } }: ConfigMap): Promise<undefined> {
    await this.send(name, resourceVersion, {
      method: 'DELETE',
      path: this.pathOf(prefix + name),
      body: JSON.stringify({ apiVersion: 'v1', kind: 'DeleteOptions', preconditions: { resourceVersion } }),
    });
  }

  /** Puts what a document was into its history, and drops the oldest beyond its bounds. */
  private async remember(former: FormerDocument): Promise<void> {
    const { name, version } = former;
    for (let tries = 1; ; tries++) {
      const history = await this.read(historyOf(name));
      const others = formerDocuments(name, history).filter((one) => one.version !== version);
      const body = JSON.stringify({
        apiVersion: 'v1',
        kind: 'ConfigMap',
        ...history,
        metadata: history?.metadata ?? { name: historyOf(name) },
        data: withinBounds([...others, former]),
      });
      const reply = await this.client.send(
        history === undefined
          ? { method: 'POST', path: this.resource.path, body }
          : { method: 'PUT', path: this.pathOf(historyOf(name)), body },
      );
      if (isSuccess(reply)) return;
      const isRace = reply.status === conflictStatus || reply.status === 404;
      if (!isRace || tries >= maxTries) throw this.error(historyOf(name), reply);
    }
  }

  /** Sends a change of a document, which another may have changed meanwhile. */
  private async send(name: string, expected: string | undefined, request: RegistryRequest): Promise<RegistryReply> {
    const reply = await this.client.send(request);
    if (isSuccess(reply)) return reply;
    if (reply.status === conflictStatus || reply.status === 404) throw this.conflict(name, expected);
    throw this.error(prefix + name, reply);
  }

  private async read(configMap: string): Promise<ConfigMap | undefined> {
    const reply = await this.client.send({ method: 'GET', path: this.pathOf(configMap) });
    if (reply.status === 404) return undefined;
    if (!isSuccess(reply)) throw this.error(configMap, reply);
    return this.parse(reply);
  }

  private versionOf(reply: RegistryReply): string {
    return this.parse(reply).metadata.resourceVersion as string;
  }

  private parse({ text }: RegistryReply): ConfigMap & { metadata: { resourceVersion: string } } {
    try {
      const object = JSON.parse(text);
      if (typeof object.metadata.resourceVersion === 'string') return object;
    } catch {
      // Told below.
    }
    throw nonsenseError(this.resource, 'a ConfigMap without a resourceVersion');
  }

  private pathOf(configMap: string): string {
    return `${this.resource.path}/${configMap}`;
  }

  private conflict(name: string, expected: string | undefined): MeshError {
    const wanted = expected === undefined ? 'none was expected' : `version ${expected} was expected`;
    const message = `${this.resource.registry}: document ${name} is of another version; ${wanted}`;
    return new MeshError('INMESH_CONFLICT', message);
  }

  private error(configMap: string, { status, text }: RegistryReply): MeshError {
    const { registry, what } = this.resource;
    return statusError({ registry, what: `${what}, ${configMap}` }, status, text);
  }
}

function isSuccess({ status }: RegistryReply): boolean {
  return status >= 200 && status < 300;
}

function historyOf(name: string): string {
  return prefix + name + historySuffix;
}

function dataKey(name: string): string {
  return `${name}.yaml`;
}

/** The document that a ConfigMap holds under the key of the store; undefined when it holds none there. */
function documentOf(name: string, { metadata, data }: ConfigMap): StoredDocument | undefined {
  const text = data?.[dataKey(name)];
  const version = metadata.resourceVersion;
  return text === undefined || version === undefined ? undefined : { name, text, version };
}

/** What a history holds, oldest first. */
function formerDocuments(name: string, history: ConfigMap | undefined): readonly FormerDocument[] {
  return Object.values(history?.data ?? {})
    .map((json) => formerOfText(name, json))
    .filter((former) => former !== undefined)
    .sort((a, b) => a.replacedAt - b.replacedAt || Number(a.version) - Number(b.version));
}

/** The newest of `formers`, as many as may be kept, by their versions. */
function withinBounds(formers: readonly FormerDocument[]): Readonly<Record<string, string>> {
  const kept: Record<string, string> = {};
  let bytes = 0;
  for (const former of formers.slice(-keptVersions).reverse()) {
    const json = formerText(former);
    bytes += Buffer.byteLength(json) + former.version.length;
    if (bytes > maxHistoryBytes) break;
    kept[former.version] = json;
  }
  return kept;
}

function isDocumentName(name: string): boolean {
  return documentName.test(name) && !name.endsWith(historySuffix);
}

function checkName(name: string): void {
  if (isDocumentName(name)) return;
  const allowed = `lower-case letters, digits, - and . (at most 232), not ending in ${historySuffix}`;
  throw new MeshError('INMESH_OPTION', `document ${name}; allowed: ${allowed}`);
}
