import { describe, expect, it } from 'vitest';
import { LeastRequest } from '../../src/balancing/least-request.ts';
import { type BalancerName, loadBalancerDefaults } from '../../src/balancing/load-balancer-options.ts';
import { PeakEwma } from '../../src/balancing/peak-ewma.ts';
import { type Balancer, pickers } from '../../src/balancing/pickers.ts';
import { pickerContract } from '../contracts/picker-contract.ts';

for (const [name, balancer] of Object.entries(pickers) as [BalancerName, Balancer][]) {
  pickerContract(name, (panicThresholdPercent, random) =>
    balancer.picker({ ...loadBalancerDefaults, name, panicThresholdPercent }, random),
  );
}

describe('pickers', () => {
  it('has the default load balancer', () => {
    expect(pickers[loadBalancerDefaults.name].metric()).toBeInstanceOf(PeakEwma);
  });

  it('makes a metric of its own for each member', () => {
    expect(pickers.PEAK_EWMA.metric()).not.toBe(pickers.PEAK_EWMA.metric());
    expect(pickers.LEAST_REQUEST.metric()).toBeInstanceOf(LeastRequest);
  });
});
