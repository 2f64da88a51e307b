import type { RawDocument, Sink, Verdict } from '../../src/discovery/registry.ts';

/** Remembers what a watch of documents told: their names, `absent`, or the message of an error. */
export class DocumentRecorder {
  readonly told: string[] = [];
  /** As they came, with their version. */
  readonly documents: { readonly all: readonly RawDocument[]; readonly version: string }[] = [];
  /** What is answered. */
  verdict: Verdict | Promise<Verdict> = { accepted: true };
  private listeners: (() => void)[] = [];

  readonly sink: Sink<readonly RawDocument[]> = {
    set: (all, version) => {
      this.documents.push({ all, version });
      this.tell(all.map(({ name }) => name).join());
      return this.verdict;
    },
    absent: () => this.tell('absent'),
    failed: (error) => this.tell(error.message),
  };

  /** Resolves when `condition` holds, now or after something was told. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.listeners.push(resolve));
  }

  private tell(told: string): void {
    this.told.push(told);
    for (const listener of this.listeners.splice(0)) listener();
  }
}
