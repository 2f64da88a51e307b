/**
 * What if a registry is down, restarts empty, or talks nonsense? No call fails for that. This registry stands before
 * every driver and keeps what is good: endpoints go through an {@link EndpointView}; a watch that gets no answer shows
 * what was known last; and documents that vanish stay in force.
 */
import type { Clock, Timer } from '../core/clock.ts';
import { MeshError } from '../core/errors.ts';
import { EndpointView, type EndpointViewOptions, endpointViewDefaults } from './endpoint-view.ts';
import type { LastKnown } from './last-known.ts';
import type { EndpointChange, RawDocument, Registry, Sink, Watch } from './registry.ts';

/** A watch of endpoints that learns from connections. */
export interface EndpointWatch extends Watch {
  /** A connection to the endpoint of this key was refused. */
  refused(key: string): void;
}

/** What a steady registry is made of. */
export interface SteadyRegistryParts {
  readonly clock: Clock;
  readonly lastKnown: LastKnown;
  readonly options?: Partial<EndpointViewOptions>;
}

/** A registry that has said nothing for this long shows what was known last, in ms. */
const recallAfterMs = 1_000;

/** The registry as the mesh sees it. */
export class SteadyRegistry {
  readonly name: string;
  readonly register: Registry['register'];
  readonly watchDocuments: Registry['watchDocuments'];
  readonly watchEndpoints: ((service: string, sink: Sink<EndpointChange>) => EndpointWatch) | undefined;
  /** What was known last. */
  readonly lastKnown: LastKnown;
  /** Whether the documents are those of the snapshot, because the registry has told none yet. */
  runsOnSnapshot = false;
  private readonly inner: Registry;
  private readonly parts: SteadyRegistryParts;

  constructor(inner: Registry, parts: SteadyRegistryParts) {
    this.inner = inner;
    this.parts = parts;
    this.name = inner.name;
    this.lastKnown = parts.lastKnown;
    // What the driver lacks, this lacks.
    this.register = inner.register && ((...args) => (inner.register as NonNullable<typeof inner.register>)(...args));
    this.watchDocuments = inner.watchDocuments && ((sink) => this.steadyDocuments(sink));
    this.watchEndpoints = inner.watchEndpoints && ((service, sink) => this.steadyEndpoints(service, sink));
  }

  async close(): Promise<void> {
    await this.inner.close();
    await this.parts.lastKnown.close();
  }

  private steadyDocuments(sink: Sink<readonly RawDocument[]>): Watch {
    const { lastKnown } = this.parts;
    const { documents: known } = lastKnown;
    let isTold = false;
    const recall = () => {
      if (isTold || known === undefined || this.runsOnSnapshot) return;
      this.runsOnSnapshot = true;
      if (known.documents.length > 0) void sink.set(known.documents, known.version);
      else sink.absent(known.version);
    };
    return this.watched(recall, (end) =>
      (this.inner.watchDocuments as NonNullable<Registry['watchDocuments']>)(
        end({
          set: async (documents, version) => {
            // If this one is bad, that one is the last good one.
            const isKnown = known !== undefined && known.documents.length > 0;
            if (!isTold && isKnown && !this.runsOnSnapshot) void sink.set(known.documents, known.version);
            isTold = true;
            this.runsOnSnapshot = false;
            const verdict = await sink.set(documents, version);
            if (verdict.accepted) {
              lastKnown.documents = { version, documents };
              lastKnown.changed();
            }
            return verdict;
          },
          absent: (version) => {
            const mayVanish = this.inner.isDeliberate === true;
            const had = (lastKnown.documents?.documents.length ?? 0) > 0;
            if (!mayVanish && had && (isTold || this.runsOnSnapshot)) {
              sink.failed(
                new MeshError(
                  'INMESH_REGISTRY',
                  `${this.name}: there are no documents any more; the last ones stay in force`,
                ),
              );
              return;
            }
            isTold = true;
            this.runsOnSnapshot = false;
            lastKnown.documents = { version, documents: [] };
            lastKnown.changed();
            sink.absent(version);
          },
          failed: (error) => {
            recall();
            sink.failed(error);
          },
        }),
      ),
    );
  }

  private steadyEndpoints(service: string, sink: Sink<EndpointChange>): EndpointWatch {
    const { clock, lastKnown } = this.parts;
    const options = { ...endpointViewDefaults, holds: this.inner.isDeliberate !== true, ...this.parts.options };
    const changed = () => lastKnown.changed();
    const view = new EndpointView({ clock, name: `${this.name}: ${service}`, sink, changed, options });
    const recall = () => {
      const known = lastKnown.endpointsOf(service);
      if (known !== undefined && known.length > 0) view.recall(known, 'last known');
    };
    const watch = this.watched(recall, (end) =>
      (this.inner.watchEndpoints as NonNullable<Registry['watchEndpoints']>)(
        service,
        end({
          set: (change, version) => view.set(change, version),
          absent: (version) => view.absent(version),
          failed: (error) => {
            recall();
            sink.failed(error);
          },
        }),
      ),
    );
    lastKnown.join(service, () => view.endpoints);
    return {
      refused: (key) => view.refused(key),
      close: () => {
        lastKnown.leave(service);
        view.close();
        watch.close();
      },
    };
  }

  /** A watch whose sink hears nothing once it is closed, and that calls `recall` when the driver says nothing. */
  private watched(recall: () => void, open: (end: <T>(sink: Sink<T>) => Sink<T>) => Watch): Watch {
    const { clock } = this.parts;
    let closed = false;
    let timer: Timer | undefined = clock.setBackgroundTimer(recall, recallAfterMs);
    const heard = () => {
      if (timer !== undefined) clock.clearTimer(timer);
      timer = undefined;
    };
    const hear = <T>(sink: Sink<T>): Sink<T> => ({
      set: (value, version) => {
        heard();
        return closed ? { accepted: true } : sink.set(value, version);
      },
      absent: (version) => {
        heard();
        if (!closed) sink.absent(version);
      },
      failed: (error) => closed || sink.failed(error),
    });
    let watch: Watch;
    try {
      watch = open(hear);
    } catch (error) {
      heard();
      throw error;
    }
    return {
      close() {
        heard();
        closed = true;
        watch.close();
      },
    };
  }
}
