/**
 * In which form does a server report its load? In the header or trailer `endpoint-load-metrics` (Envoy's ORCA parser, gRPC
 * A51): `TEXT cpu_utilization=0.3,named_metrics.rif=7`, or `JSON {"cpu_utilization":0.3,"named_metrics":{"rif":7}}`. The
 * binary form is a protobuf, and is passed over. A report that cannot be read is none: nobody fails over it.
 */
import type { LoadReport } from '../core/load-report.ts';

/** The header or trailer of a reply, in lower case. */
export const loadReportHeader = 'endpoint-load-metrics';

/** Longer ones are passed over, in characters: nobody has so many metrics. */
const maxLength = 4_096;

/** Reads a report; `undefined` for anything else. */
export function parseLoadReport(text: string): LoadReport | undefined {
  if (text.length > maxLength) return undefined;
  if (text.startsWith('TEXT ')) return reportOf((name) => textMetric(text, name));
  return text.startsWith('JSON ') ? parseJson(text.slice('JSON '.length)) : undefined;
}

/** Undefined when nothing is known by `metric` that anybody reads. */
function reportOf(metric: (name: string) => number | undefined): LoadReport | undefined {
  const inFlight = metric('named_metrics.rif') ?? metric('rif');
  const application = metric('application_utilization');
  const utilization = application === undefined || application === 0 ? metric('cpu_utilization') : application;
  const requestsPerSecond = metric('rps_fractional');
  if (inFlight === undefined && utilization === undefined && requestsPerSecond === undefined) return undefined;
  return {
    utilization: utilization ?? 0,
    requestsPerSecond: requestsPerSecond ?? 0,
    errorsPerSecond: metric('eps') ?? 0,
    inFlight,
  };
}

/** Without a split of the whole: most have more metrics than are read. */
function textMetric(text: string, name: string): number | undefined {
  let start = text.indexOf(name);
  while (start >= 0) {
    const end = start + name.length;
    const before = text[start - 1];
    if (text[end] === '=' && (before === ' ' || before === ',')) {
      const comma = text.indexOf(',', end);
      return amount(text.slice(end + 1, comma < 0 ? undefined : comma).trim());
    }
    start = text.indexOf(name, end);
  }
  return undefined;
}

function parseJson(text: string): LoadReport | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return undefined;
  }
  const metrics = new Map<string, unknown>();
  for (const [name, value] of entriesOf(parsed)) {
    const plain = snakeCase(name);
    if (plain !== 'named_metrics') metrics.set(plain, value);
    // The names in it are the server's own.
    else for (const [key, own] of entriesOf(value)) metrics.set(`named_metrics.${key}`, own);
  }
  return reportOf((name) => amount(metrics.get(name)));
}

function entriesOf(value: unknown): [string, unknown][] {
  return typeof value === 'object' && value !== null ? Object.entries(value) : [];
}

/** The JSON form of a protobuf may have either. */
function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function amount(value: unknown): number | undefined {
  const number = typeof value === 'string' && value !== '' ? Number(value) : value;
  return typeof number === 'number' && number >= 0 && number < Number.POSITIVE_INFINITY ? number : undefined;
}
