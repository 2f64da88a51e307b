import { readFileSync } from 'node:fs';
import { context, trace } from '@opentelemetry/api';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { MeshError } from '../../src/core/errors.ts';
import { events } from '../../src/core/events.ts';
import { failure, type Outcome, success } from '../../src/core/outcome.ts';
import { attemptTelemetryFilter } from '../../src/telemetry/attempt-telemetry-filter.ts';
import { callTelemetryFilter } from '../../src/telemetry/call-telemetry-filter.ts';
import { instrumentationScope } from '../../src/telemetry/instrumentation-scope.ts';
import { MetricsRegistry } from '../../src/telemetry/metrics-registry.ts';
import { OtelMetrics } from '../../src/telemetry/otel-metrics.ts';
import type { OutcomeCounter } from '../../src/telemetry/outcome-counter.ts';
import { Traces } from '../../src/telemetry/traces.ts';
import { VirtualClock } from '../../src/testing/virtual-clock.ts';
import { makeAttempt, makeCall, ScriptedReply } from './operations.ts';
import { startTraceSdk, stopSdk } from './otel-sdk.ts';

function create() {
  const registry = new MetricsRegistry();
  const metrics = registry.series({ service: 'reviews' });
  const clock = new VirtualClock();
  const options = {
    metrics,
    otelMetrics: new OtelMetrics({ registry, clientDuration: true }),
    traces: new Traces({ mode: 'mesh', inbound: () => undefined }),
    clock,
    secure: false,
  };
  return { metrics, clock, callFilter: callTelemetryFilter(options), attemptFilter: attemptTelemetryFilter(options) };
}

function counts(counter: OutcomeCounter): string[] {
  const found: string[] = [];
  counter.forEach(({ outcome, status, cause }, value) => {
    found.push(`${outcome} ${status} ${cause ?? '-'} ${value}`);
  });
  return found;
}

function record(
  ...names: ('callStart' | 'callEnd' | 'attemptStart' | 'attemptEnd')[]
): { name: string; message: unknown }[] {
  const seen: { name: string; message: unknown }[] = [];
  for (const name of names) {
    const listener = (message: unknown) => seen.push({ name, message });
    events[name].subscribe(listener);
    undo.push(() => events[name].unsubscribe(listener));
  }
  return seen;
}

const undo: (() => void)[] = [];

afterEach(() => {
  for (const step of undo.splice(0)) step();
  stopSdk();
});

describe('callTelemetryFilter', () => {
  it('counts a call as in flight until the last byte, and times it to there', async () => {
    const { metrics, clock, callFilter } = create();
    const scripted = new ScriptedReply(200);
    const reply = await callFilter.apply(makeCall(), async () => scripted.reply);
    expect(reply).toBe(scripted.reply);
    expect(metrics.callsInFlight).toBe(1);
    expect(metrics.calls.total).toBe(0);
    await clock.advance(250);
    scripted.end();
    expect(metrics.callsInFlight).toBe(0);
    expect(counts(metrics.calls)).toEqual(['success 2xx - 1']);
    expect(metrics.callDuration.sumSeconds).toBe(0.25);
  });

  it('counts the outcome of the body, not that of the head', async () => {
    const { metrics, callFilter } = create();
    const scripted = new ScriptedReply(200);
    await callFilter.apply(makeCall(), async () => scripted.reply);
    scripted.end(failure('reset'));
    expect(counts(metrics.calls)).toEqual(['failure 2xx reset 1']);
  });

  it.each<[string, unknown, string]>([
    ['an error of the mesh', new MeshError('INMESH_TIMEOUT', 'late'), 'failure none timeout 1'],
    ['a caller who gave up', new Error('changed my mind'), 'ignored none - 1'],
  ])('counts %s, and hands it on', async (_, error, expected) => {
    const { metrics, callFilter } = create();
    await expect(callFilter.apply(makeCall(), () => Promise.reject(error))).rejects.toBe(error);
    expect(counts(metrics.calls)).toEqual([expected]);
    expect(metrics.callsInFlight).toBe(0);
    expect(metrics.callDuration.count).toBe(1);
  });

  it('announces start and end', async () => {
    const { clock, callFilter } = create();
    const seen = record('callStart', 'callEnd');
    const call = makeCall();
    call.attempts = 2;
    const scripted = new ScriptedReply(200);
    await callFilter.apply(call, async () => scripted.reply);
    expect(seen).toEqual([{ name: 'callStart', message: { service: 'reviews', call } }]);
    await clock.advance(7);
    scripted.end();
    const message = { service: 'reviews', call, status: 200, outcome: success, durationMs: 7, attempts: 2 };
    expect(seen[1]).toEqual({ name: 'callEnd', message });
  });

  it('runs the call under its span, which ends with the last byte', async () => {
    const exporter = startTraceSdk();
    const { callFilter } = create();
    const scripted = new ScriptedReply(200);
    let inside: string | undefined;
    await callFilter.apply(makeCall(), async () => {
      inside = trace.getSpanContext(context.active())?.spanId;
      return scripted.reply;
    });
    expect(exporter.getFinishedSpans()).toEqual([]);
    scripted.end();
    expect(exporter.getFinishedSpans().map((span) => span.spanContext().spanId)).toEqual([inside]);
  });
});

describe('attemptTelemetryFilter', () => {
  it('counts and times an attempt at its head', async () => {
    const { metrics, clock, attemptFilter } = create();
    const outcome: Outcome = failure('status');
    await attemptFilter.apply(makeAttempt(makeCall()), async () => {
      await clock.advance(40);
      return new ScriptedReply(503, outcome).reply;
    });
    expect(counts(metrics.attempts)).toEqual(['failure 5xx status 1']);
    expect(metrics.attemptDuration.sumSeconds).toBe(0.04);
    expect(metrics.retries).toBe(0);
  });

  it('counts an attempt that is not the first as a retry', async () => {
    const { metrics, attemptFilter } = create();
    await attemptFilter.apply(makeAttempt(makeCall(), 2), async () => new ScriptedReply(200).reply);
    expect(metrics.retries).toBe(1);
  });

  it('counts an attempt without a head by its cause, and hands the error on', async () => {
    const { metrics, attemptFilter } = create();
    const error = new MeshError('INMESH_CONNECT', 'refused');
    await expect(attemptFilter.apply(makeAttempt(makeCall()), () => Promise.reject(error))).rejects.toBe(error);
    expect(counts(metrics.attempts)).toEqual(['failure none connect-failure 1']);
  });

  it('announces start and end with the endpoint', async () => {
    const { attemptFilter } = create();
    const seen = record('attemptStart', 'attemptEnd');
    const attempt = makeAttempt(makeCall());
    await attemptFilter.apply(attempt, async () => new ScriptedReply(200).reply);
    const common = { service: 'reviews', endpoint: '127.0.0.1:9081', attempt };
    expect(seen).toEqual([
      { name: 'attemptStart', message: common },
      { name: 'attemptEnd', message: { ...common, status: 200, outcome: success, durationMs: 0 } },
    ]);
  });

  it('nests the span of the attempt in that of the call', async () => {
    const exporter = startTraceSdk();
    const { callFilter, attemptFilter } = create();
    const scripted = new ScriptedReply(200);
    await callFilter.apply(makeCall(), (call) => attemptFilter.apply(makeAttempt(call), async () => scripted.reply));
    scripted.end();
    const [attempt, call] = exporter.getFinishedSpans();
    expect(attempt?.parentSpanContext?.spanId).toBe(call?.spanContext().spanId);
  });
});

describe('without an SDK and without subscribers', () => {
  it('registers one listener for a call, and none for an attempt', async () => {
    const { callFilter, attemptFilter } = create();
    const { reply } = new ScriptedReply(200);
    const onEnd = vi.spyOn(reply, 'onEnd');
    await attemptFilter.apply(makeAttempt(makeCall()), async () => reply);
    expect(onEnd).not.toHaveBeenCalled();
    await callFilter.apply(makeCall(), async () => reply);
    expect(onEnd).toHaveBeenCalledTimes(1);
  });
});

describe('instrumentationScope', () => {
  it('has the version of the package', () => {
    const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
      version: string;
    };
    expect(instrumentationScope.version).toBe(manifest.version);
  });
});
