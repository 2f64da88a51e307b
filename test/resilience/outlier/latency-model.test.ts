import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Member } from '../../../src/core/member.ts';
import { OutlierDetector, type OutlierRecord } from '../../../src/resilience/outlier/outlier-detection.ts';
import { type OutlierOptions, outlierDefaults } from '../../../src/resilience/outlier/outlier-options.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';
import { fakeMembers } from '../../balancing/fake-member.ts';

const memberCount = 5;
const [factor, minimumMs, requestVolume, intervalMs, lookMs] = [3, 100, 4, 1_000, 500];
const options: OutlierOptions = {
  ...outlierDefaults,
  latency: { factor, minimumMs, requestVolume },
  intervalMs,
  baseEjectionMs: 1_500,
};

class Real {
  readonly clock = new VirtualClock();
  readonly ejected = new Set<Member>();
  ejections = 0;
  readonly detector = new OutlierDetector({
    service: 'reviews',
    clock: this.clock,
    options,
    waiting: () => [],
    groupOf: () => '',
    onEject: (member) => {
      this.ejections++;
      this.ejected.add(member);
    },
    onUneject: (member) => this.ejected.delete(member),
  });
  readonly records: OutlierRecord[] = fakeMembers(memberCount).map((member) => this.detector.join(member));
}

interface Sample {
  readonly startedAt: number;
  readonly latencyMs: number;
}

/** What the model believes: every sample of each member, and what was found when it was looked at the last time. */
class Model {
  now = 0;
  readonly samples: Sample[][] = Array.from({ length: memberCount }, () => []);
  readonly ejectedUntil: (number | undefined)[] = new Array(memberCount).fill(undefined);
  latencyLookAt: number | undefined = undefined;
  endLookAt: number | undefined = undefined;
  isNews = false;
  private lastEjection = Number.NEGATIVE_INFINITY;
  private suspects: number[] = [];

  /** The next instant at which something is looked at. */
  get next(): number {
    return Math.min(this.latencyLookAt ?? Number.POSITIVE_INFINITY, this.endLookAt ?? Number.POSITIVE_INFINITY);
  }

  /** Looks at what is due now; how long an ejection lasts is told by `endsAt`. */
  look(endsAt: (index: number) => number): void {
    if (this.endLookAt === this.now) {
      this.ejectedUntil.forEach((until, index) => {
        if (until === undefined || until > this.now + 1) return;
        this.ejectedUntil[index] = undefined;
        this.samples[index] = [];
      });
      const isAnyEjected = this.ejectedUntil.some((until) => until !== undefined);
      this.endLookAt = isAnyEjected ? this.now + intervalMs : undefined;
    }
    if (this.latencyLookAt === this.now) {
      this.latencyLookAt = this.isNews ? this.now + lookMs : undefined;
      if (this.isNews) this.lookAtLatency(endsAt);
      else this.suspects = [];
      this.isNews = false;
    }
  }

  private lookAtLatency(endsAt: (index: number) => number): void {
    const found = this.now - this.lastEjection < intervalMs ? [] : this.outliers();
    const confirmed = found.find((index) => this.suspects.includes(index));
    this.suspects = found;
    const ejected = this.ejectedUntil.filter((until) => until !== undefined).length;
    if (confirmed === undefined || ejected >= Math.floor(memberCount / 2)) return;
    this.lastEjection = this.now;
    this.ejectedUntil[confirmed] = endsAt(confirmed);
    this.endLookAt ??= this.now + intervalMs;
  }

  private outliers(): number[] {
    const judged = this.samples.flatMap((all, index) => {
      const kept = all.slice(-requestVolume);
      const last = kept.filter(({ startedAt, latencyMs }) => startedAt + latencyMs >= this.now - intervalMs);
      if (this.ejectedUntil[index] !== undefined || last.length < requestVolume) return [];
      const latencies = sorted(last.map(({ latencyMs }) => latencyMs));
      const starts = last.map(({ startedAt }) => startedAt);
      return [{ index, latencies, span: Math.max(...starts) - Math.min(...starts) }];
    });
    if (judged.length < 3) return [];
    const excesses = judged.flatMap(({ index, latencies, span }) => {
      const others = judged.filter((other) => other.index !== index);
      const limit = Math.max(minimumMs, factor * middle(others.map((other) => middle(other.latencies))));
      const isLoaded = span * 1.5 < middle(others.map((other) => other.span));
      const quartile = latencies[1] as number;
      return quartile >= limit && !isLoaded ? [{ index, excess: quartile / limit }] : [];
    });
    return excesses.sort((a, b) => b.excess - a.excess).map(({ index }) => index);
  }
}

function sorted(values: readonly number[]): number[] {
  return [...values].sort((a, b) => a - b);
}

function middle(values: readonly number[]): number {
  return sorted(values)[Math.floor(values.length / 2)] as number;
}

function agree(model: Model, real: Real): void {
  real.records.forEach((record, index) => {
    expect(real.ejected.has(record.member), `member ${index} at ${model.now}`).toBe(
      model.ejectedUntil[index] !== undefined,
    );
  });
}

class Attempts implements fc.AsyncCommand<Model, Real> {
  private readonly latencies: readonly number[];
  private readonly everyMs: number;
  constructor(latencies: readonly number[], everyMs: number) {
    this.latencies = latencies;
    this.everyMs = everyMs;
  }
  check = () => true;
  /** Each member has four attempts of its latency. */
  async run(model: Model, real: Real): Promise<void> {
    this.latencies.forEach((latencyMs, index) => {
      for (let attempt = 0; attempt < requestVolume; attempt++) {
        const startedAt = model.now - latencyMs - attempt * (index === 0 ? this.everyMs : 10);
        real.detector.onLatency(real.records[index] as OutlierRecord, startedAt, latencyMs, true);
        model.samples[index]?.push({ startedAt, latencyMs });
      }
    });
    model.latencyLookAt ??= model.now + lookMs;
    model.isNews = true;
    agree(model, real);
  }
  toString = () => `attempts(${this.latencies}, every ${this.everyMs})`;
}

class Wait implements fc.AsyncCommand<Model, Real> {
  private readonly ms: number;
  constructor(ms: number) {
    this.ms = ms;
  }
  check = () => true;
  async run(model: Model, real: Real): Promise<void> {
    const end = model.now + this.ms;
    while (model.next <= end) {
      const at = model.next;
      await real.clock.advance(at - model.now);
      model.now = at;
      model.look((index) => real.records[index]?.endsAt as number);
      agree(model, real);
    }
    await real.clock.advance(end - model.now);
    model.now = end;
    agree(model, real);
  }
  toString = () => `wait(${this.ms})`;
}

describe('OutlierDetector with latency', () => {
  it('ejects and readmits whom a simple model does, whatever the latencies', async () => {
    const latency = fc.constantFrom(10, 20, 50, 90, 100, 250, 800, 2_000);
    const commands = fc.commands(
      [
        fc
          .tuple(fc.array(latency, { minLength: memberCount, maxLength: memberCount }), fc.constantFrom(4, 10))
          .map((parts) => new Attempts(...parts)),
        fc.tuple(fc.nat(memberCount - 1), fc.constantFrom(300, 900)).map(
          ([slow, ms]) =>
            new Attempts(
              Array.from({ length: memberCount }, (_, i) => (i === slow ? ms : 30)),
              10,
            ),
        ),
        fc.constantFrom(100, 300, 500, 700, 2_100).map((ms) => new Wait(ms)),
        fc.constantFrom(100, 300, 500, 700).map((ms) => new Wait(ms)),
      ],
      { maxCommands: 60, size: 'max' },
    );
    let ejections = 0;
    await fc.assert(
      fc.asyncProperty(commands, async (all) => {
        const real = new Real();
        await fc.asyncModelRun(() => ({ model: new Model(), real }), all);
        ejections += real.ejections;
        real.detector.close();
        expect(real.clock.pendingTimers).toBe(0);
      }),
      { numRuns: 150 },
    );
    expect(ejections).toBeGreaterThan(10);
  });
});
