/**
 * How does the demo change the mesh? As an operator would: it edits the document, here a copy of `mesh.yaml` in a folder
 * for the time of the demo. Every process takes the new version by itself: from the file, or from the shared registry
 * that it is published to.
 */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Document, parseDocument } from 'yaml';

/** An endpoint of the document: a process to be started. */
export interface Placement {
  readonly service: string;
  /** The name of the process: `reviews-v3-1`. */
  readonly replica: string;
  /** Its label, where it has one. */
  readonly version: string | undefined;
  /** Where its address stands in the document. */
  readonly path: readonly (string | number)[];
}

/** Weights of the versions of `reviews`. */
export type Weights = Readonly<Record<string, number>>;

const everyone = ['routes', 0, 'http'];

/** The document of all processes. */
export class MeshFile {
  readonly path: string;
  readonly placements: readonly Placement[];
  private readonly folder: string;
  private readonly document: Document;

  /** Copies the document at `source`. */
  constructor(source: URL) {
    this.document = parseDocument(readFileSync(source, 'utf8'));
    this.placements = placementsOf(this.document);
    this.folder = mkdtempSync(join(tmpdir(), 'bookinfo-'));
    this.path = join(this.folder, 'mesh.yaml');
    this.save();
  }

  /** The processes at these endpoints have these ports. */
  setPorts(ports: Iterable<readonly [Placement, number]>): void {
    for (const [{ path }, port] of ports) this.document.setIn([...path, 'address'], `127.0.0.1:${port}`);
    this.save();
  }

  /** From now on the document says nothing of addresses: processes register themselves. */
  removeEndpoints(): void {
    const { items } = this.document.get('services') as { items: unknown[] };
    for (const index of items.keys()) this.document.deleteIn(['services', index, 'endpoints']);
    this.save();
  }

  /** Shares the calls of everyone among versions of `reviews`. */
  setWeights(weights: Weights): void {
    const rules = this.document.getIn(everyone) as { items: unknown[] };
    const route = Object.entries(weights).map(([subset, weight]) => this.part(subset, weight));
    this.document.setIn([...everyone, rules.items.length - 1, 'route'], this.document.createNode(route));
    this.save();
  }

  /** Sends the calls of one user to one version of `reviews`, before the rule for everyone. */
  addUserRoute(user: string, subset: string): void {
    const rules = this.document.getIn(everyone) as { items: unknown[] };
    rules.items.unshift(
      this.document.createNode({
        name: user,
        match: [{ headers: { 'end-user': { exact: user } } }],
        route: [this.part(subset)],
      }),
    );
    this.save();
  }

  /** Deletes the copy. */
  delete(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  private part(subset: string, weight?: number) {
    const destination = { host: 'reviews', subset };
    return weight === undefined ? { destination } : { destination, weight };
  }

  /** Replaced as a whole, so that no process reads half of it. */
  private save(): void {
    const written = join(this.folder, `.${randomUUID()}`);
    writeFileSync(written, String(this.document));
    renameSync(written, this.path);
  }
}

interface Service {
  readonly host: string;
  readonly endpoints: readonly { readonly labels?: { readonly version: string } }[];
}

function placementsOf(document: Document): Placement[] {
  const { services } = document.toJS() as { services: readonly Service[] };
  return services.flatMap(({ host, endpoints }, serviceIndex) =>
    endpoints.map(({ labels }, index): Placement => {
      const version = labels?.version;
      const before = endpoints.slice(0, index).filter((other) => other.labels?.version === version).length;
      const replica = [host, version, before + 1].filter((part) => part !== undefined).join('-');
      return { service: host, replica, version, path: ['services', serviceIndex, 'endpoints', index] };
    }),
  );
}
