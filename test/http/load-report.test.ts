import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseLoadReport } from '../../src/http/load-report.ts';

const none = { utilization: 0, requestsPerSecond: 0, errorsPerSecond: 0, inFlight: undefined };

describe('parseLoadReport', () => {
  it.each<[string, object]>([
    ['TEXT cpu_utilization=0.3,mem_utilization=0.8', { utilization: 0.3 }],
    ['TEXT application_utilization=1.5, cpu_utilization=0.3', { utilization: 1.5 }],
    ['TEXT application_utilization=0,cpu_utilization=0.3', { utilization: 0.3 }],
    ['TEXT rps_fractional=120.5,eps=2', { requestsPerSecond: 120.5, errorsPerSecond: 2 }],
    ['TEXT named_metrics.rif=7', { inFlight: 7 }],
    ['TEXT named_metrics.xrif=9,rif=7', { inFlight: 7 }],
    ['TEXT my_cpu_utilization=0.9,cpu_utilization=0.2', { utilization: 0.2 }],
    ['JSON {"cpu_utilization":0.3,"named_metrics":{"rif":7}}', { utilization: 0.3, inFlight: 7 }],
    [
      'JSON {"cpuUtilization":0.3,"rpsFractional":"5","namedMetrics":{"rif":0}}',
      {
        utilization: 0.3,
        requestsPerSecond: 5,
        inFlight: 0,
      },
    ],
  ])('reads %j', (text, report) => {
    expect(parseLoadReport(text)).toEqual({ ...none, ...report });
  });

  it.each([
    '',
    'TEXT',
    'TEXT ',
    'TEXT cpu_utilization',
    'TEXT cpu_utilization=',
    'TEXT cpu_utilization=-1',
    'TEXT cpu_utilization=1e999',
    'TEXT cpu_utilization=much',
    'TEXT mem_utilization=0.8',
    'JSON',
    'JSON {',
    'JSON null',
    'JSON 7',
    'JSON {"cpu_utilization":true,"named_metrics":null}',
    'BIN CZqZmZmZmbk/',
    'cpu_utilization=0.3',
    `TEXT cpu_utilization=0.3,${'x'.repeat(5_000)}`,
  ])('passes over %j', (text) => {
    expect(parseLoadReport(text)).toBeUndefined();
  });

  it('gives finite numbers that are not negative, or nothing, whatever comes', () => {
    const field = fc.constantFrom('cpu_utilization', 'rps_fractional', 'eps', 'named_metrics.rif', 'x');
    const value = fc.oneof(fc.double().map(String), fc.string());
    const text = fc
      .array(fc.tuple(field, value))
      .map((pairs) => `TEXT ${pairs.map(([name, amount]) => `${name}=${amount}`).join(',')}`);
    const json = fc.jsonValue().map((parsed) => `JSON ${JSON.stringify(parsed)}`);
    fc.assert(
      fc.property(fc.oneof(text, json, fc.string()), (written) => {
        const report = parseLoadReport(written);
        if (report === undefined) return;
        for (const number of Object.values(report)) {
          if (number !== undefined) expect(number >= 0 && Number.isFinite(number)).toBe(true);
        }
      }),
    );
  });
});
