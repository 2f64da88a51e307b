import { expect, it } from 'vitest';
import { joinDocuments, simulatedDocument } from '../../../src/cli/simulate/simulated-document.ts';

it('adds up services and routes', () => {
  const route = { hosts: ['a'], http: [{ route: [{ destination: { host: 'a' } }] }] };
  expect(joinDocuments([{ services: [{ host: 'a' }] }, { services: [{ host: 'b' }], routes: [route] }])).toEqual({
    services: [{ host: 'a' }, { host: 'b' }],
    routes: [route],
  });
});

it('leaves certificates out', () => {
  const service = {
    host: 'a',
    endpoints: [{ address: '10.0.0.1:80' }],
    trafficPolicy: { timeout: '1s', tls: { mode: 'SIMPLE' as const } },
  };
  expect(simulatedDocument({ services: [service] }, 3).services).toEqual([
    { host: 'a', endpoints: service.endpoints, trafficPolicy: { timeout: '1s' } },
  ]);
});

it('gives endpoints to a service that has none, some for each subset', () => {
  const subsets = [
    { name: 'v1', labels: { version: 'v1' } },
    { name: 'v2', labels: { version: 'v2' } },
  ];
  const [service] = simulatedDocument({ services: [{ host: 'a', subsets }] }, 3).services ?? [];
  expect(service?.endpoints).toEqual([
    { address: '10.0.0.1:80', labels: { version: 'v1' } },
    { address: '10.0.0.2:80', labels: { version: 'v2' } },
    { address: '10.0.0.3:80', labels: { version: 'v1' } },
  ]);
});

it('looks no name up', () => {
  const service = { host: 'a', resolution: 'DNS' as const, endpoints: [{ address: 'a.example:80' }] };
  const [simulated] = simulatedDocument({ services: [service] }, 1).services ?? [];
  expect(simulated).toEqual({ host: 'a', endpoints: [{ address: '10.0.0.1:80' }], trafficPolicy: {} });
});
