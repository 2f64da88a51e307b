import { describe, expect, it } from 'vitest';
import { Candidates } from '../../src/balancing/candidates.ts';
import { seededRandom } from '../../src/core/random.ts';
import { fakeMember } from './fake-member.ts';

describe('candidates', () => {
  const warming = fakeMember({ port: 1, weight: 2, warmth: 0.1 });
  const well = fakeMember({ port: 2, weight: 3 });
  const down = [3, 4, 5].map((port) => fakeMember({ port, healthy: false }));

  it('weigh as much as they have warmed up', () => {
    const candidates = new Candidates(50, seededRandom(1));
    candidates.rebuild([warming, well]);
    expect(candidates.weights).toEqual([0.2, 3]);
  });

  it('have their whole weight in panic: one that came back would get less than those that are down', () => {
    const candidates = new Candidates(50, seededRandom(1));
    candidates.rebuild([warming, well, ...down]);
    expect(candidates.weights).toEqual([2, 3, 1, 1, 1]);
    candidates.rebuild([warming, well, ...down.slice(2)]);
    expect(candidates.weights).toEqual([0.2, 3]);
  });
});
