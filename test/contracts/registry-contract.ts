/**
 * What has every registry to do? Tell the current state to each watch, tell each change, survive nonsense and outages, and
 * be silent once a watch is closed. Each driver's test runs this.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Registry, Sink, Verdict, Watch } from '../../src/discovery/registry.ts';

/** A registry that holds the addresses of one service, and the means to change them. */
export interface RegistryHarness {
  readonly registry: Registry;
  /** Watches the addresses of the service; a value that holds none is refused. */
  watch(sink: Sink<readonly string[]>): Watch;
  /** From now on the registry holds these addresses; with {@link weights} also some of the form `10.0.0.1:80*3`. */
  publish(addresses: readonly string[]): Promise<void>;
  /** Whether addresses have weights: one other than 1 is told as `10.0.0.1:80*3`. */
  readonly weights?: boolean;
  /** From now on the registry holds nonsense, or does not answer. */
  publishNonsense(): Promise<void>;
  /** Lets a registry on a virtual clock notice; others notice by themselves. */
  tick(): Promise<void>;
  /** Nobody can reach the registry until {@link reconnect}; absent where there is nothing to reach. */
  disconnect?(): Promise<void>;
  /** The registry can be reached again, and holds what it held. */
  reconnect?(): Promise<void>;
  /** The server of the registry crashes, and comes back; what it held may be lost. */
  restart?(): Promise<void>;
  /** Frees what is not the registry's. */
  dispose(): Promise<void>;
}

type Told = { addresses: readonly string[] } | 'refused' | 'failed' | 'absent';

const accepted: Verdict = { accepted: true };

/** Remembers what a watch told, and waits for what it will tell. */
class Recorder {
  readonly told: Told[] = [];
  private listeners: (() => void)[] = [];

  readonly sink: Sink<readonly string[]> = {
    set: (addresses) => {
      this.tell(addresses.length === 0 ? 'refused' : { addresses });
      return addresses.length === 0 ? { accepted: false, problems: ['no addresses'] } : accepted;
    },
    absent: () => this.tell('absent'),
    failed: () => this.tell('failed'),
  };

  get addresses(): readonly string[] | undefined {
    const last = this.told.at(-1);
    return typeof last === 'object' ? last.addresses : undefined;
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.listeners.push(resolve));
  }

  private tell(told: Told): void {
    this.told.push(told);
    for (const listener of this.listeners.splice(0)) listener();
  }
}

const [a, b, c] = ['10.0.0.1:80', '10.0.0.2:80', '10.0.0.3:80'] as const;

function same(recorder: Recorder, addresses: readonly string[]): () => boolean {
  return () =>
    recorder.addresses !== undefined && [...recorder.addresses].sort().join() === [...addresses].sort().join();
}

/** Runs the contract. */
export function registryContract(name: string, open: () => Promise<RegistryHarness>, timeoutMs = 5_000): void {
  describe(`${name} keeps the contract of registries`, { timeout: timeoutMs }, () => {
    let harness: RegistryHarness;

    beforeEach(async () => {
      harness = await open();
    });

    afterEach(async () => {
      await harness.registry.close();
      await harness.dispose();
    });

    /** Publishes and waits until a watch has told it. */
    async function publishTo(recorder: Recorder, addresses: readonly string[]): Promise<void> {
      await harness.publish(addresses);
      await harness.tick();
      await recorder.until(same(recorder, addresses));
    }

    it('has a name', () => {
      expect(harness.registry.name).not.toBe('');
    });

    it('tells nothing before the caller has got his watch', async () => {
      await harness.publish([a]);
      const recorder = new Recorder();
      harness.watch(recorder.sink);
      expect(recorder.told).toEqual([]);
      await recorder.until(same(recorder, [a]));
    });

    it('tells the current state to each watch', async () => {
      await harness.publish([a, b]);
      const recorders = [new Recorder(), new Recorder()];
      for (const recorder of recorders) harness.watch(recorder.sink);
      for (const recorder of recorders) await recorder.until(same(recorder, [a, b]));
    });

    it('tells what is added, removed and changed', async () => {
      const recorder = new Recorder();
      await harness.publish([a]);
      harness.watch(recorder.sink);
      await recorder.until(same(recorder, [a]));
      await publishTo(recorder, [a, b]);
      await publishTo(recorder, [b]);
      await publishTo(recorder, [c]);
    });

    it('tells what has changed of an address that stays', async ({ skip }) => {
      if (!harness.weights) return skip('its addresses have no weights');
      const recorder = new Recorder();
      await harness.publish([a, b]);
      harness.watch(recorder.sink);
      await recorder.until(same(recorder, [a, b]));
      await publishTo(recorder, [a, `${b}*3`]);
      await publishTo(recorder, [a, b]);
    });

    it('tells that it is not reached, and what has changed once it is', async ({ skip }) => {
      if (harness.disconnect === undefined || harness.reconnect === undefined) return skip('there is nothing to reach');
      const recorder = new Recorder();
      await harness.publish([a]);
      harness.watch(recorder.sink);
      await recorder.until(same(recorder, [a]));
      await harness.disconnect();
      await harness.tick();
      await recorder.until(() => recorder.told.at(-1) === 'failed');
      await harness.reconnect();
      await harness.tick();
      await recorder.until(same(recorder, [a]));
      await publishTo(recorder, [b, c]);
    });

    it('begins a watch that was opened while it was not reached', async ({ skip }) => {
      if (harness.disconnect === undefined || harness.reconnect === undefined) return skip('there is nothing to reach');
      await harness.publish([a]);
      await harness.disconnect();
      const recorder = new Recorder();
      harness.watch(recorder.sink);
      await harness.tick();
      await recorder.until(() => recorder.told.at(-1) === 'failed');
      expect(recorder.told).not.toContain('absent');
      await harness.reconnect();
      await harness.tick();
      await recorder.until(same(recorder, [a]));
    });

    it('goes on after a restart of its server', async ({ skip }) => {
      if (harness.restart === undefined) return skip('it has no server');
      const recorder = new Recorder();
      await harness.publish([a]);
      harness.watch(recorder.sink);
      await recorder.until(same(recorder, [a]));
      await harness.restart();
      await publishTo(recorder, [b]);
      await publishTo(recorder, [b, c]);
    });

    it('ends a burst of 1,000 changes with the last', async () => {
      const recorder = new Recorder();
      await harness.publish([a]);
      harness.watch(recorder.sink);
      for (let change = 1; change <= 1_000; change++) {
        await harness.publish([`10.1.${change >> 8}.${change & 255}:80`]);
      }
      await publishTo(recorder, [b]);
      expect(recorder.told.length).toBeLessThanOrEqual(1_002);
    });

    it('tells that it met nonsense, and then what is good again', async () => {
      const recorder = new Recorder();
      await harness.publish([a]);
      harness.watch(recorder.sink);
      await recorder.until(same(recorder, [a]));
      await harness.publishNonsense();
      await harness.tick();
      await recorder.until(() => recorder.told.includes('refused') || recorder.told.includes('failed'));
      await publishTo(recorder, [b]);
    });

    it('tells what was there before the nonsense once more', async () => {
      const recorder = new Recorder();
      await harness.publish([a]);
      harness.watch(recorder.sink);
      await recorder.until(same(recorder, [a]));
      await harness.publishNonsense();
      await harness.tick();
      await recorder.until(() => recorder.addresses === undefined);
      await publishTo(recorder, [a]);
    });

    it('tells a closed watch nothing more, and the others everything', async () => {
      const [closed, open] = [new Recorder(), new Recorder()];
      await harness.publish([a]);
      const watch = harness.watch(closed.sink);
      harness.watch(open.sink);
      await closed.until(same(closed, [a]));
      await harness.publish([b]);
      watch.close();
      watch.close();
      const toldBefore = closed.told.length;
      await publishTo(open, [c]);
      expect(closed.told).toHaveLength(toldBefore);
    });

    it('tells nothing to a watch that is closed at once', async () => {
      const [closed, open] = [new Recorder(), new Recorder()];
      await harness.publish([a]);
      harness.watch(closed.sink).close();
      harness.watch(open.sink);
      await open.until(same(open, [a]));
      expect(closed.told).toEqual([]);
    });

    it('ends every watch when it is closed', async () => {
      const recorder = new Recorder();
      await harness.publish([a]);
      harness.watch(recorder.sink);
      await recorder.until(same(recorder, [a]));
      await harness.registry.close();
      await harness.registry.close();
      await harness.publish([b]);
      await harness.tick();
      expect(recorder.told).toHaveLength(1);
    });
  });
}
