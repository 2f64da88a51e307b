import { ConsecutiveBreaker } from 'cockatiel';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { events } from '../../../src/core/events.ts';
import { failure, ignored, type Outcome, success } from '../../../src/core/outcome.ts';
import { type BreakerState, CircuitBreaker, refused } from '../../../src/resilience/circuit-breaker/circuit-breaker.ts';

const openMs = 5_000;
const failed = failure('status');

function breakerOf(threshold: number, changes: string[] = []): CircuitBreaker {
  return new CircuitBreaker({
    service: 'reviews',
    openMs,
    breaker: new ConsecutiveBreaker(threshold),
    onStateChange: (from, to) => changes.push(`${from} → ${to}`),
  });
}

/** Opens a breaker of threshold 1 at the instant 0. */
function opened(changes: string[] = []): CircuitBreaker {
  const breaker = breakerOf(1, changes);
  breaker.onResult(breaker.tryAcquire(0), failed, 0);
  return breaker;
}

describe('CircuitBreaker', () => {
  it('lets calls through until its criterion is met, then none', () => {
    const breaker = breakerOf(2);
    breaker.onResult(breaker.tryAcquire(0), failed, 0);
    expect(breaker.state).toBe('closed');
    breaker.onResult(breaker.tryAcquire(0), failed, 0);
    expect(breaker.state).toBe('open');
    expect(breaker.tryAcquire(openMs - 1)).toBe(refused);
  });

  it('lets one probe through when the time is over, and refuses the others meanwhile', () => {
    const breaker = opened();
    expect(breaker.tryAcquire(openMs)).not.toBe(refused);
    expect(breaker.state).toBe('half-open');
    expect(breaker.tryAcquire(openMs)).toBe(refused);
    expect(breaker.tryAcquire(openMs * 100)).toBe(refused);
  });

  it('closes after a good probe', () => {
    const changes: string[] = [];
    const breaker = opened(changes);
    breaker.onResult(breaker.tryAcquire(openMs), success, openMs);
    expect(changes).toEqual(['closed → open', 'open → half-open', 'half-open → closed']);
    expect(breaker.tryAcquire(openMs)).not.toBe(refused);
  });

  it('opens again for the full time after a bad probe', () => {
    const breaker = opened();
    breaker.onResult(breaker.tryAcquire(openMs), failed, openMs + 700);
    expect(breaker.tryAcquire(2 * openMs + 699)).toBe(refused);
    expect(breaker.tryAcquire(2 * openMs + 700)).not.toBe(refused);
  });

  it('lets another probe through after one that says nothing', () => {
    const breaker = opened();
    breaker.onResult(breaker.tryAcquire(openMs), ignored, openMs);
    expect(breaker.state).toBe('half-open');
    expect(breaker.tryAcquire(openMs)).not.toBe(refused);
    expect(breaker.tryAcquire(openMs)).toBe(refused);
  });

  it('does not take the late result of an earlier call for that of the probe', () => {
    const breaker = breakerOf(1);
    const [early, late] = [breaker.tryAcquire(0), breaker.tryAcquire(0)];
    breaker.onResult(early, failed, 0);
    const probe = breaker.tryAcquire(openMs);
    breaker.onResult(late, success, openMs);
    expect(breaker.state).toBe('half-open');
    breaker.onResult(probe, success, openMs);
    expect(breaker.state).toBe('closed');
    breaker.onResult(late, failed, openMs);
    expect(breaker.state).toBe('closed');
  });

  it('publishes its changes, with the route when it has one', () => {
    const messages: unknown[] = [];
    const listener = (message: unknown) => void messages.push(message);
    events.breaker.subscribe(listener);
    onTestFinished(() => void events.breaker.unsubscribe(listener));
    opened();
    const ofRoute = new CircuitBreaker({
      service: 'reviews',
      route: 'slow',
      openMs,
      breaker: new ConsecutiveBreaker(1),
    });
    ofRoute.onResult(ofRoute.tryAcquire(0), failed, 0);
    expect(messages).toEqual([
      { service: 'reviews', from: 'closed', to: 'open' },
      { service: 'reviews', route: 'slow', from: 'closed', to: 'open' },
    ]);
  });
});

/** What the breaker should be, in the plainest terms. */
interface Model {
  state: BreakerState;
  failuresInARow: number;
  openUntil: number;
  now: number;
  /** Permits that were not answered, and in which period of the model they were given. */
  running: { permit: number; period: number }[];
  period: number;
}

const threshold = 3;

function changeModel(model: Model, to: BreakerState): void {
  model.state = to;
  model.period++;
}

class AcquireCommand implements fc.Command<Model, CircuitBreaker> {
  check = () => true;
  run(model: Model, breaker: CircuitBreaker): void {
    const permit = breaker.tryAcquire(model.now);
    if (model.state === 'open' && model.now >= model.openUntil) changeModel(model, 'half-open');
    const probing = model.running.some(({ period }) => period === model.period);
    const allowed = model.state === 'closed' || (model.state === 'half-open' && !probing);
    expect(permit !== refused).toBe(allowed);
    if (allowed) model.running.push({ permit, period: model.period });
    expect(breaker.state).toBe(model.state);
  }
  toString = () => 'acquire';
}

class ResultCommand implements fc.Command<Model, CircuitBreaker> {
  private readonly which: number;
  private readonly outcome: Outcome;
  constructor(which: number, outcome: Outcome) {
    this.which = which;
    this.outcome = outcome;
  }
  check = (model: Readonly<Model>) => model.running.length > 0;
  run(model: Model, breaker: CircuitBreaker): void {
    const [answered] = model.running.splice(this.which % model.running.length, 1) as [Model['running'][number]];
    breaker.onResult(answered.permit, this.outcome, model.now);
    if (answered.period === model.period && this.outcome.kind !== 'ignored') {
      const good = this.outcome.kind === 'success';
      model.failuresInARow = good ? 0 : model.failuresInARow + 1;
      if (!good && (model.state === 'half-open' || model.failuresInARow >= threshold)) {
        model.openUntil = model.now + openMs;
        changeModel(model, 'open');
      } else if (model.state === 'half-open') changeModel(model, 'closed');
    }
    expect(breaker.state).toBe(model.state);
  }
  toString = () => `result ${this.which} ${this.outcome.kind}`;
}

class WaitCommand implements fc.Command<Model, CircuitBreaker> {
  private readonly ms: number;
  constructor(ms: number) {
    this.ms = ms;
  }
  check = () => true;
  run(model: Model): void {
    model.now += this.ms;
  }
  toString = () => `wait ${this.ms}`;
}

it('a CircuitBreaker does what its model does', () => {
  const commands = fc.commands(
    [
      fc.constant(new AcquireCommand()),
      fc.tuple(fc.nat(5), fc.constantFrom(success, failed, failed, ignored)).map(([n, o]) => new ResultCommand(n, o)),
      fc.nat(openMs).map((ms) => new WaitCommand(ms)),
    ],
    { size: '+1', maxCommands: 100 },
  );
  fc.assert(
    fc.property(commands, (all) => {
      fc.modelRun(
        () => ({
          model: { state: 'closed', failuresInARow: 0, openUntil: 0, now: 0, running: [], period: 0 } as Model,
          real: breakerOf(threshold),
        }),
        all,
      );
    }),
  );
});
