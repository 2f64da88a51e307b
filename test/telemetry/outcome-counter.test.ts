import { describe, expect, it } from 'vitest';
import { failure, ignored, success } from '../../src/core/outcome.ts';
import { OutcomeCounter } from '../../src/telemetry/outcome-counter.ts';

function counts(counter: OutcomeCounter): unknown[] {
  const found: unknown[] = [];
  counter.forEach((...count) => {
    found.push(count);
  });
  return found;
}

describe('OutcomeCounter', () => {
  it('counts by outcome, class of status and cause', () => {
    const counter = new OutcomeCounter();
    counter.add(success, 200);
    counter.add(success, 204);
    counter.add(success, 404);
    counter.add(failure('status'), 503);
    counter.add(failure('reset'), 200);
    counter.add(failure('timeout'), undefined);
    counter.add(ignored, undefined);
    expect(counts(counter)).toEqual([
      [{ outcome: 'success', status: '2xx' }, 2],
      [{ outcome: 'success', status: '4xx' }, 1],
      [{ outcome: 'ignored', status: 'none' }, 1],
      [{ outcome: 'failure', status: '5xx', cause: 'status' }, 1],
      [{ outcome: 'failure', status: '2xx', cause: 'reset' }, 1],
      [{ outcome: 'failure', status: 'none', cause: 'timeout' }, 1],
    ]);
    expect(counter.total).toBe(7);
  });

  it.each([[0], [99], [600], [999], [-1], [Number.NaN]])('makes no label of the odd status %s', (status) => {
    const counter = new OutcomeCounter();
    counter.add(success, status);
    expect(counts(counter)).toEqual([[{ outcome: 'success', status: 'none' }, 1]]);
  });

  it('counts a failure without a cause as other', () => {
    const counter = new OutcomeCounter();
    counter.add({ kind: 'failure' }, undefined);
    expect(counts(counter)).toEqual([[{ outcome: 'failure', status: 'none', cause: 'other' }, 1]]);
  });
});
