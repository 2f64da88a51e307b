/**
 * When do configuration entries change the mesh? When the document that they stand for is another one. The four kinds
 * are four questions to Consul, and what belongs together is often written as several entries: so changes are told
 * together once a moment has passed, and first when all four have answered.
 */
import type { Timer } from '../../core/clock.ts';
import { events } from '../../core/events.ts';
import { LoopTurns } from '../loop-turns.ts';
import type { RawDocument, Watch } from '../registry.ts';
import type { ConsulAnswer } from './consul-client.ts';
import { translateEntries } from './consul-config-entries.ts';
import { type ConfigEntries, type EntryKind, entryKinds, type Fields } from './consul-entry.ts';
import { type ConsulParts, pollConsul } from './consul-poll.ts';

/** How entries are watched. */
export interface ConsulEntriesOptions extends ConsulParts {
  /** The service that asks; undefined for a tool. */
  readonly service: string | undefined;
  /** From a change until it is told, with the other changes of that time, in ms. */
  readonly settleMs: number;
}

/** Who is told. */
export interface ConsulEntriesListener {
  /** The document that the entries stand for; undefined where there are none. The same object while it says the same. */
  changed(document: RawDocument | undefined, version: string): void;
  failed(error: Error): void;
}

/** Watches the entries of all kinds. */
export class ConsulEntriesWatch implements Watch {
  private readonly options: ConsulEntriesOptions;
  private readonly listener: ConsulEntriesListener;
  private readonly polls: readonly Watch[];
  private readonly entries = new Map<EntryKind, readonly Fields[]>();
  /** The latest of all kinds. */
  private index = 0;
  private timer: Timer | undefined;
  private told: { readonly json: string; readonly document: RawDocument | undefined } | undefined;
  /** What operators know already. */
  private problems: readonly string[] = [];

  constructor(options: ConsulEntriesOptions, listener: ConsulEntriesListener) {
    this.options = options;
    this.listener = listener;
    this.polls = entryKinds.map((kind) =>
      pollConsul({
        ...options,
        // Patient, so that the four do not take the places of services.
        question: { path: `/v1/config/${kind}`, what: `config entries ${kind}`, isPatient: true },
        take: (answer, signal) => this.take(kind, answer, signal),
        failed: (error) => listener.failed(error),
      }),
    );
  }

  /** Tells once more what was told. */
  repeat(): void {
    if (this.told !== undefined) this.settle();
  }

  close(): void {
    for (const poll of this.polls) poll.close();
    if (this.timer !== undefined) this.options.clock.clearTimer(this.timer);
  }

  private async take(kind: EntryKind, { elements, index }: ConsulAnswer, signal: AbortSignal): Promise<void> {
    const turns = new LoopTurns(this.options.clock);
    const found: Fields[] = [];
    for await (const element of elements) {
      found.push(element as Fields);
      if (turns.due) await turns.turn();
    }
    signal.throwIfAborted();
    this.entries.set(kind, found);
    this.index = index;
    if (this.entries.size === entryKinds.length) this.settle();
  }

  private settle(): void {
    this.timer ??= this.options.clock.setBackgroundTimer(() => {
      this.timer = undefined;
      this.tell();
    }, this.options.settleMs);
  }

  private tell(): void {
    const { client, service } = this.options;
    const { root, passing } = client.settings;
    const entries = Object.fromEntries(this.entries) as ConfigEntries;
    const { document: value, problems } = translateEntries(entries, { caller: service, passing });
    const json = JSON.stringify(value) ?? '';
    if (json !== this.told?.json) {
      this.told = { json, document: value && { name: `${root}/config-entries`, value } };
    }
    this.report(problems);
    this.listener.changed(this.told?.document, String(this.index));
  }

  private report(problems: readonly string[]): void {
    const { client } = this.options;
    for (const problem of problems) {
      if (this.problems.includes(problem) || !events.registryError.hasSubscribers) continue;
      events.registryError.publish({ registry: client.settings.name, error: client.error('config entries', problem) });
    }
    this.problems = problems;
  }
}
