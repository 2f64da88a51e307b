import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Member } from '../../../src/core/member.ts';
import { failure, success } from '../../../src/core/outcome.ts';
import { OutlierDetector, type OutlierRecord } from '../../../src/resilience/outlier/outlier-detection.ts';
import { type OutlierOptions, outlierDefaults } from '../../../src/resilience/outlier/outlier-options.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';
import { fakeMember } from '../../balancing/fake-member.ts';

const intervalMs = 1_000;
const options: OutlierOptions = {
  ...outlierDefaults,
  consecutive5xxErrors: 4,
  consecutiveGatewayErrors: 2,
  consecutiveLocalOriginFailures: 3,
  successRate: { minimumHosts: 3, requestVolume: 3, stdevFactor: 1 },
  failurePercentage: { threshold: 70, minimumHosts: 2, requestVolume: 4 },
  latency: { factor: 3, minimumMs: 100, requestVolume: 4 },
  intervalMs,
  baseEjectionMs: 1_500,
  maxEjectionMs: 4_000,
};

/** What the model believes of a member: all that it did, written down. */
interface Believed {
  /** Statuses since it joined or came back; `local` for a failure without a head. */
  results: (number | 'local')[];
  /** Those of the interval. */
  recent: (number | 'local')[];
  ejectedUntil: number | undefined;
  /** Of all ejections; the first of equals returns first. */
  ejection: number;
}

interface Model {
  readonly members: Believed[];
  /** Nobody counts intervals before the first attempt, or after a quiet one. */
  lookAt: number | undefined;
  now: number;
  ejections: number;
}

class Real {
  readonly clock = new VirtualClock();
  readonly ejected = new Set<Member>();
  readonly records: OutlierRecord[] = [];
  readonly causes: string[] = [];
  readonly detector = new OutlierDetector({
    service: 'reviews',
    clock: this.clock,
    options,
    waiting: () => [],
    groupOf: () => '',
    onEject: (member, cause) => {
      this.ejected.add(member);
      this.causes.push(cause);
    },
    onUneject: (member) => this.ejected.delete(member),
  });
}

function maxEjected(count: number): number {
  return Math.max(0, Math.min(count - 1, Math.max(1, Math.floor((count * options.maxEjectionPercent) / 100))));
}

function ejectedOf(model: Model): Believed[] {
  return model.members.filter((one) => one.ejectedUntil !== undefined);
}

/** How many at the end of `list` fulfil `test`. */
function tail<T>(list: readonly T[], test: (item: T) => boolean): number {
  const last = list.findLastIndex((item) => !test(item));
  return list.length - 1 - last;
}

const isFailure = (result: number | 'local') => result === 'local' || result >= 500;

function rateOf({ recent }: Believed): number {
  return recent.filter((result) => !isFailure(result)).length / recent.length;
}

/** The ejection itself; how long it lasts is told by the real one, as its count of ejections is tested by itself. */
function eject(model: Model, one: Believed): void {
  if (one.ejectedUntil === undefined && ejectedOf(model).length < maxEjected(model.members.length)) {
    one.ejectedUntil = Number.POSITIVE_INFINITY;
    one.ejection = ++model.ejections;
    model.lookAt ??= model.now + intervalMs;
  }
}

function look(model: Model): void {
  for (const one of ejectedOf(model)) {
    if ((one.ejectedUntil as number) > model.now + 1) continue;
    Object.assign(one, { results: [], recent: [], ejectedUntil: undefined });
  }
  const present = model.members.filter((one) => one.ejectedUntil === undefined);
  const worst = (list: Believed[]) => list.sort((a, b) => rateOf(a) - rateOf(b));
  const forRate = present.filter(({ recent }) => recent.length >= 3);
  const forShare = present.filter(({ recent }) => recent.length >= 4);
  const mean = forRate.reduce((sum, one) => sum + rateOf(one), 0) / forRate.length;
  const sigma = Math.sqrt(forRate.reduce((sum, one) => sum + (rateOf(one) - mean) ** 2, 0) / forRate.length);
  const outliers = [
    ...(forRate.length < 3 ? [] : worst(forRate.filter((one) => rateOf(one) < mean - sigma))),
    ...(forShare.length < 2 ? [] : worst(forShare.filter((one) => (1 - rateOf(one)) * 100 >= 70 - 1e-9))),
  ];
  model.lookAt = undefined;
  for (const one of outliers) eject(model, one);
  const isUsed = model.members.some(({ recent }) => recent.length > 0);
  if (isUsed || ejectedOf(model).length > 0) model.lookAt = model.now + intervalMs;
  for (const one of model.members) one.recent = [];
}

function agree(model: Model, real: Real): void {
  for (const [index, one] of model.members.entries()) {
    const record = real.records[index] as OutlierRecord;
    expect(real.ejected.has(record.member), `member ${index} at ${model.now}`).toBe(one.ejectedUntil !== undefined);
    if (one.ejectedUntil !== undefined) one.ejectedUntil = record.endsAt;
  }
  expect(real.detector.ejectedCount).toBe(ejectedOf(model).length);
  expect(real.ejected.size).toBeLessThanOrEqual(maxEjected(model.members.length));
}

class Join implements fc.AsyncCommand<Model, Real> {
  check = (model: Model) => model.members.length < 8;
  async run(model: Model, real: Real): Promise<void> {
    model.members.push({ results: [], recent: [], ejectedUntil: undefined, ejection: 0 });
    real.records.push(real.detector.join(fakeMember({ port: real.records.length + 1 })));
    agree(model, real);
  }
  toString = () => 'join';
}

class Leave implements fc.AsyncCommand<Model, Real> {
  private readonly index: number;
  constructor(index: number) {
    this.index = index;
  }
  check = (model: Model) => this.index < model.members.length;
  async run(model: Model, real: Real): Promise<void> {
    const [gone] = real.records.splice(this.index, 1) as [OutlierRecord];
    model.members.splice(this.index, 1);
    real.ejected.delete(gone.member);
    real.detector.leave(gone);
    while (ejectedOf(model).length > maxEjected(model.members.length)) {
      const [first] = ejectedOf(model).sort(
        (one, other) => Number(one.ejectedUntil) - Number(other.ejectedUntil) || one.ejection - other.ejection,
      ) as [Believed];
      Object.assign(first, { results: [], recent: [], ejectedUntil: undefined });
    }
    if (model.members.length === 0) model.lookAt = undefined;
    agree(model, real);
  }
  toString = () => `leave(${this.index})`;
}

class Results implements fc.AsyncCommand<Model, Real> {
  private readonly index: number;
  private readonly result: number | 'local';
  private readonly times: number;
  constructor(index: number, result: number | 'local', times: number) {
    this.index = index;
    this.result = result;
    this.times = times;
  }
  check = (model: Model) => this.index < model.members.length;
  async run(model: Model, real: Real): Promise<void> {
    const { result } = this;
    const one = model.members[this.index] as Believed;
    for (let time = 0; time < this.times; time++) {
      const outcome = result === 'local' ? failure('reset') : result >= 500 ? failure('status') : success;
      const status = result === 'local' ? undefined : result;
      real.detector.onResult(real.records[this.index] as OutlierRecord, outcome, status, real.clock.now());
      model.lookAt ??= model.now + intervalMs;
      one.results.push(result);
      one.recent.push(result);
      if (
        isFailure(result) &&
        (tail(one.results, isFailure) >= 4 ||
          tail(one.results, (other) => other === 502 || other === 503) >= 2 ||
          tail(one.results, (other) => other === 'local') >= 3)
      ) {
        eject(model, one);
      }
      agree(model, real);
    }
  }
  toString = () => `results(${this.index}, ${this.result}, ${this.times})`;
}

/** An interval in which everybody has volume: one fails mostly, though never four times in a row, and so may another. */
class Interval implements fc.AsyncCommand<Model, Real> {
  private readonly failing: readonly number[];
  constructor(failing: readonly number[]) {
    this.failing = failing;
  }
  check = () => true;
  async run(model: Model, real: Real): Promise<void> {
    for (let round = 0; round < 2; round++) {
      for (let index = 0; index < model.members.length; index++) {
        if (this.failing.includes(index)) await new Results(index, 500, 3).run(model, real);
        await new Results(index, 200, 1).run(model, real);
      }
    }
    await new Wait(intervalMs).run(model, real);
  }
  toString = () => `interval(${this.failing})`;
}

class Wait implements fc.AsyncCommand<Model, Real> {
  private readonly ms: number;
  constructor(ms: number) {
    this.ms = ms;
  }
  check = () => true;
  async run(model: Model, real: Real): Promise<void> {
    const end = model.now + this.ms;
    while (model.lookAt !== undefined && model.lookAt <= end) {
      await real.clock.advance(model.lookAt - model.now);
      model.now = model.lookAt;
      look(model);
      agree(model, real);
    }
    await real.clock.advance(end - model.now);
    model.now = end;
    agree(model, real);
  }
  toString = () => `wait(${this.ms})`;
}

describe('OutlierDetector with rates', () => {
  it('ejects and readmits whom a simple model does, whatever happens', async () => {
    const index = fc.nat(7);
    const result = fc.constantFrom<number | 'local'>(200, 200, 200, 404, 500, 502, 503, 'local');
    const commands = fc.commands(
      [
        fc.constant(new Join()),
        index.map((member) => new Leave(member)),
        fc.tuple(index, result, fc.integer({ min: 1, max: 4 })).map((parts) => new Results(...parts)),
        fc.tuple(index, result, fc.integer({ min: 1, max: 4 })).map((parts) => new Results(...parts)),
        fc.array(index, { maxLength: 2 }).map((failing) => new Interval(failing)),
        fc.constantFrom(1, 400, 1_000, 2_500).map((ms) => new Wait(ms)),
      ],
      { maxCommands: 80, size: 'max' },
    );
    const causes = new Set<string>();
    await fc.assert(
      fc.asyncProperty(commands, async (all) => {
        const real = new Real();
        const model: Model = { members: [], lookAt: undefined, now: 0, ejections: 0 };
        for (let joined = 0; joined < 4; joined++) await new Join().run(model, real);
        await fc.asyncModelRun(() => ({ model, real }), all);
        for (const cause of real.causes) causes.add(cause);
        real.detector.close();
        expect(real.clock.pendingTimers).toBe(0);
      }),
      { numRuns: 150 },
    );
    // All criteria were met, so that the model was asked about each.
    expect(causes.size).toBe(5);
  });
});
