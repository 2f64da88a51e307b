/**
 * What if a registry is down, restarts empty, or talks nonsense? No call fails for that. This registry stands before
 * every driver and keeps what is good: endpoints go through an {@link EndpointView}; a watch that gets no answer shows
 * what was known last; and documents that vanish stay in force.
 */
import type { Clock, Timer } from '../core/clock.ts';
import { EndpointView, type EndpointViewOptions, endpointViewDefaults } from './endpoint-view.ts';
import type { LastKnown } from './last-known.ts';
import type { EndpointChange, Registry, Sink, Watch } from './registry.ts';
import { type DocumentSink, SteadyDocuments } from './steady-documents.ts';

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
  /** A registry that has said nothing for this long shows what was known last, in ms. Default 1,000. */
  readonly recallAfterMs?: number;
}

const defaultRecallAfterMs = 1_000;

/** The registry as the mesh sees it. */
export class SteadyRegistry {
  readonly name: string;
  readonly register: Registry['register'];
  readonly watchDocuments: ((sink: DocumentSink) => Watch) | undefined;
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
    this.register = inner.register?.bind(inner);
    this.watchDocuments = inner.watchDocuments && ((sink) => this.steadyDocuments(sink));
    this.watchEndpoints = inner.watchEndpoints && ((service, sink) => this.steadyEndpoints(service, sink));
  }

  async close(): Promise<void> {
    await this.inner.close();
    await this.parts.lastKnown.close();
  }

  private steadyDocuments(sink: DocumentSink): Watch {
    const { lastKnown } = this.parts;
    const watched = new SteadyDocuments(this.name, this.inner.isDeliberate === true, sink, lastKnown, (runs) => {
      this.runsOnSnapshot = runs;
    });
    return this.watched(
      () => watched.recall(),
      (end) => (this.inner.watchDocuments as NonNullable<Registry['watchDocuments']>)(end(watched)),
    );
  }

  private steadyEndpoints(service: string, sink: Sink<EndpointChange>): EndpointWatch {
    const { clock, lastKnown } = this.parts;
    const options = { ...endpointViewDefaults, holds: this.inner.isDeliberate !== true, ...this.parts.options };
    const changed = () => lastKnown.changed();
    const view = new EndpointView({ clock, name: `${this.name}: ${service}`, sink, changed, options });
    const recall = () => {
      const known = lastKnown.endpointsOf(service);
      if (known !== undefined) view.recall(known, 'last known');
    };
    // The first answer is judged by what was known before: a registry may have come back empty.
    const compare = () => {
      if (options.holds) recall();
    };
    const watch = this.watched(recall, (end) =>
      (this.inner.watchEndpoints as NonNullable<Registry['watchEndpoints']>)(
        service,
        end({
          set: (change, version) => {
            compare();
            return view.set(change, version);
          },
          absent: (version) => {
            compare();
            view.absent(version);
          },
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
    const { clock, recallAfterMs = defaultRecallAfterMs } = this.parts;
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
