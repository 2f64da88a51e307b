import { type Endpoint, endpointKey } from '../../src/core/endpoint.ts';
import type { EndpointChange, Sink } from '../../src/discovery/registry.ts';

/**
 * Puts the changes of a watch together, and remembers what each told: the keys of all endpoints, sorted (`~` before one
 * that drains), `absent`, or the message of an error.
 */
export class EndpointRecorder {
  readonly told: string[] = [];
  readonly endpoints = new Map<string, Endpoint>();
  /** The changes as they came. */
  readonly changes: EndpointChange[] = [];
  /** Called after each. */
  onTold: () => void = () => {};
  private listeners: (() => void)[] = [];

  readonly sink: Sink<EndpointChange> = {
    set: (change) => {
      this.changes.push(change);
      if ('full' in change) this.endpoints.clear();
      else for (const key of change.removed) this.endpoints.delete(key);
      for (const endpoint of 'full' in change ? change.full : change.put) {
        this.endpoints.set(endpointKey(endpoint), endpoint);
      }
      const all = [...this.endpoints].map(([key, { state }]) => (state === 'draining' ? `~${key}` : key));
      this.tell(all.sort().join());
      return { accepted: true };
    },
    absent: () => this.tell('absent'),
    failed: (error) => this.tell(error.message),
  };

  get last(): string | undefined {
    return this.told.at(-1);
  }

  /** Resolves when the last that was told is, or contains, `expected`. */
  async until(expected: string): Promise<void> {
    while (this.last !== expected && !(expected !== '' && this.last?.includes(expected))) {
      await new Promise<void>((resolve) => this.listeners.push(resolve));
    }
  }

  private tell(told: string): void {
    this.told.push(told);
    this.onTold();
    for (const listener of this.listeners.splice(0)) listener();
  }
}
