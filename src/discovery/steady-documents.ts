/**
 * Which documents are good to keep? Those that were put in force last. They are recalled while the registry does not
 * answer, when its first document is bad, and when it has none any more: a registry that comes back empty has lost them.
 */
import { MeshError } from '../core/errors.ts';
import type { LastKnown } from './last-known.ts';
import type { RawDocument, Sink, Verdict } from './registry.ts';
import type { SnapshotDocuments } from './snapshot-file.ts';

/** Takes documents, and those of a snapshot apart from them. */
export interface DocumentSink extends Sink<readonly RawDocument[]> {
  /** The registry has told nothing; this is what it told before. Refused, it is as if nothing had been told. */
  recall(documents: readonly RawDocument[], version: string): Promise<Verdict>;
}

/** Stands between a driver and the configuration. */
export class SteadyDocuments implements Sink<readonly RawDocument[]> {
  private readonly name: string;
  /** Whether what vanishes is meant to. */
  private readonly isDeliberate: boolean;
  private readonly sink: DocumentSink;
  private readonly lastKnown: LastKnown;
  private readonly runsOnSnapshot: (runs: boolean) => void;
  /** Of the snapshot, until they are recalled or needed no more. */
  private known: SnapshotDocuments | undefined;
  private newest = 0;
  /** The last good ones that newer ones came before; in force if those are refused. */
  private passedOver: SnapshotDocuments | undefined = undefined;

  /** @param runsOnSnapshot told whether the documents in force are those of the snapshot. */
  constructor(
    name: string,
    isDeliberate: boolean,
    sink: DocumentSink,
    lastKnown: LastKnown,
    runsOnSnapshot: (runs: boolean) => void,
  ) {
    this.name = name;
    this.isDeliberate = isDeliberate;
    this.sink = sink;
    this.lastKnown = lastKnown;
    this.known = lastKnown.documents;
    this.runsOnSnapshot = runsOnSnapshot;
  }

  /** Puts in force what was known before, when the registry has told nothing. */
  recall(): void {
    const { known, sink } = this;
    this.known = undefined;
    if (known === undefined) return;
    if (known.documents.length === 0) {
      this.runsOnSnapshot(true);
      sink.absent(known.version);
      return;
    }
    const before = this.newest;
    void sink.recall(known.documents, known.version).then((verdict) => {
      if (verdict.accepted && this.newest === before) this.runsOnSnapshot(true);
    });
  }

  async set(documents: readonly RawDocument[], version: string): Promise<Verdict> {
    // If this one is bad, that one is the last good one.
    const isRecalled = (this.known?.documents.length ?? 0) > 0;
    if (isRecalled) this.recall();
    this.known = undefined;
    const turn = ++this.newest;
    const verdict = await this.sink.set(documents, version);
    if (verdict.accepted && turn < this.newest) this.passedOver = { version, documents };
    if (turn < this.newest) return verdict;
    const inForce = verdict.accepted ? { version, documents } : this.passedOver;
    this.passedOver = undefined;
    if (inForce !== undefined) this.keep(inForce);
    else if (isRecalled) this.runsOnSnapshot(true);
    return verdict;
  }

  absent(version: string): void {
    const had = (this.lastKnown.documents?.documents.length ?? 0) > 0;
    if (had && !this.isDeliberate) {
      this.recall();
      const message = `${this.name}: there are no documents any more; the last ones stay in force`;
      this.sink.failed(new MeshError('INMESH_REGISTRY', message));
      return;
    }
    this.known = undefined;
    this.newest++;
    this.keep({ version, documents: [] });
    this.sink.absent(version);
  }

  failed(error: Error): void {
    this.recall();
    this.sink.failed(error);
  }

  private keep(documents: SnapshotDocuments): void {
    this.runsOnSnapshot(false);
    this.lastKnown.documents = documents;
    this.lastKnown.changed();
  }
}
