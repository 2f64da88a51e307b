import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readInstance } from '../../../src/discovery/consul/consul-instance.ts';

const node = { Node: 'n1', Address: '10.9.9.9', Datacenter: 'dc1' };

function entry(service: object, statuses: readonly string[] = ['passing']) {
  return {
    Node: node,
    Service: { ID: 'web-1', Address: '10.0.0.1', Port: 80, Tags: [], Meta: {}, ...service },
    Checks: statuses.map((Status) => ({ Status })),
  };
}

function endpointOf(element: unknown) {
  const instance = readInstance(element);
  return 'endpoint' in instance ? instance.endpoint : instance;
}

describe('readInstance', () => {
  it('reads address, labels, weight and locality', () => {
    const service = {
      Tags: ['canary', 'version=tag', 'zone=a=b', '=odd'],
      Meta: { version: 'meta', team: 'x' },
      Weights: { Passing: 5, Warning: 2 },
    };
    expect(endpointOf(entry(service))).toEqual({
      host: '10.0.0.1',
      port: 80,
      labels: { canary: '', version: 'meta', zone: 'a=b', '=odd': '', team: 'x' },
      locality: 'dc1/n1',
      weight: 5,
      state: 'serving',
    });
  });

  it('takes the address of the node for a service without one', () => {
    expect(endpointOf(entry({ Address: '' }))).toMatchObject({ host: '10.9.9.9', port: 80 });
  });

  it('takes the weight for warnings when a check warns', () => {
    const weights = { Weights: { Passing: 5, Warning: 2 } };
    expect(endpointOf(entry(weights, ['passing', 'warning']))).toMatchObject({ weight: 2 });
  });

  it('has defaults for what older servers leave out', () => {
    const element = {
      Node: node,
      Service: { ID: 'a', Address: '10.0.0.1', Port: 80, Tags: null, Meta: null },
      Checks: null,
    };
    expect(endpointOf(element)).toMatchObject({ labels: {}, weight: 1, state: 'serving' });
  });

  it('counts no instance with a critical check', () => {
    expect(readInstance(entry({}, ['passing', 'critical']))).toEqual({ critical: true });
  });

  it('reads state and locality from metadata that are no labels', () => {
    const service = { Meta: { 'inmesh-state': 'draining', 'inmesh-locality': 'eu/eu-1/a', a: 'b' } };
    expect(endpointOf(entry(service))).toMatchObject({ state: 'draining', locality: 'eu/eu-1/a', labels: { a: 'b' } });
  });

  it('reads IPv6 addresses', () => {
    expect(endpointOf(entry({ Address: 'fd00::1' }))).toMatchObject({ host: 'fd00::1', port: 80 });
  });

  it.each([
    [entry({ Port: 0 }), 'web-1', '10.0.0.1:0 is no address'],
    [{ ...entry({ Address: '' }), Node: {} }, 'web-1', 'host is no text'],
    [entry({ Weights: { Passing: -1 } }), 'web-1', 'weight is -1'],
    [entry({ Meta: { a: 1 } }), 'web-1', 'labels are no object of texts'],
    [entry({ Tags: [1] }), 'web-1', ''],
    [{}, '?', 'host is no text'],
    [null, '?', 'host is no text'],
  ])('says what is wrong with %j', (element, id, problem) => {
    expect(readInstance(element)).toEqual({ id, problem: expect.stringContaining(problem) });
  });

  it('never throws', () => {
    const odd = fc.jsonValue({ maxDepth: 3 });
    const shapes = fc.record({
      Node: odd,
      Service: fc.oneof(odd, fc.record({ Tags: odd, Meta: odd, Weights: odd })),
      Checks: odd,
    });
    fc.assert(fc.property(fc.oneof(odd, shapes), (element) => void readInstance(element)));
  });
});
