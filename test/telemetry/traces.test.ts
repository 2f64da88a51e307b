import { context, createContextKey, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { afterEach, describe, expect, it } from 'vitest';
import type { Attempt } from '../../src/core/attempt.ts';
import type { HeaderList } from '../../src/core/call.ts';
import { MeshError } from '../../src/core/errors.ts';
import { failure, ignored, success } from '../../src/core/outcome.ts';
import { findHeader } from '../../src/http/header-list.ts';
import { Propagation } from '../../src/telemetry/propagation.ts';
import { Traces, type TracingMode } from '../../src/telemetry/traces.ts';
import { makeAttempt, makeCall } from './operations.ts';
import { startTraceSdk, stopSdk } from './otel-sdk.ts';

const suppressed = createContextKey('OpenTelemetry SDK Context Key SUPPRESS_TRACING');
const inboundParent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
const inboundHeaders: HeaderList = ['traceparent', inboundParent, 'tracestate', 'v=1', 'x-request-id', 'r-1'];

function create(mode: TracingMode = 'mesh', inbound?: HeaderList) {
  const traces = new Traces({ mode, inbound: () => inbound });
  return { traces, propagation: new Propagation(traces, () => inbound) };
}

afterEach(stopSdk);

describe('Traces', () => {
  it('makes nothing without an SDK', () => {
    const { traces } = create();
    const call = makeCall();
    expect(traces.startCall(call, false)).toBeUndefined();
    expect(traces.startAttempt(makeAttempt(call), false)).toBeUndefined();
  });

  it('sees an SDK that is registered after it was created, and its end', () => {
    const { traces } = create();
    expect(traces.startCall(makeCall(), false)).toBeUndefined();
    const exporter = startTraceSdk();
    traces.startCall(makeCall(), false)?.end(200, success, undefined);
    expect(exporter.getFinishedSpans()).toHaveLength(1);
    stopSdk();
    expect(traces.startCall(makeCall(), false)).toBeUndefined();
  });

  it('makes an internal span for the call, and a client span below it for each attempt', () => {
    const exporter = startTraceSdk();
    const { traces } = create();
    const call = makeCall();
    const ofCall = traces.startCall(call, true);
    traces.startAttempt(makeAttempt(call), true)?.end(503, failure('status'), undefined);
    traces.startAttempt(makeAttempt(call, 2), true)?.end(200, success, undefined);
    ofCall?.end(200, success, undefined);
    const [first, second, parent] = exporter.getFinishedSpans();
    expect(parent).toMatchObject({
      name: 'GET reviews',
      kind: SpanKind.INTERNAL,
      attributes: { 'inmesh.service': 'reviews', 'http.response.status_code': 200 },
      status: { code: SpanStatusCode.UNSET },
    });
    expect(first).toMatchObject({
      name: 'GET',
      kind: SpanKind.CLIENT,
      attributes: {
        'http.request.method': 'GET',
        'url.full': 'https://reviews:8080/reviews/42',
        'server.address': 'reviews',
        'server.port': 8080,
        'network.peer.address': '127.0.0.1',
        'network.peer.port': 9081,
        'http.response.status_code': 503,
        'error.type': '503',
      },
      status: { code: SpanStatusCode.ERROR },
    });
    expect(first?.attributes).not.toHaveProperty(['http.request.resend_count']);
    expect(second?.attributes).toMatchObject({ 'http.request.resend_count': 1 });
    expect(first?.parentSpanContext?.spanId).toBe(parent?.spanContext().spanId);
    expect(second?.parentSpanContext?.spanId).toBe(parent?.spanContext().spanId);
  });

  it('tells neither query nor header nor userinfo', () => {
    const exporter = startTraceSdk();
    const { traces } = create();
    const call = makeCall({ authority: 'user:secret@reviews' });
    const ofCall = traces.startCall(call, false);
    const error = new Error('secret');
    traces.startAttempt(makeAttempt(call), false)?.end(undefined, ignored, error);
    ofCall?.end(undefined, ignored, error);
    for (const { name, attributes, status, events } of exporter.getFinishedSpans()) {
      expect(JSON.stringify({ name, attributes, status, events })).not.toContain('secret');
    }
  });

  it('names the error by its code, the status, or what broke the body; a caller who gave up is none', () => {
    const exporter = startTraceSdk();
    const { traces } = create();
    const timeout = new MeshError('INMESH_TIMEOUT', 'late');
    traces.startCall(makeCall(), false)?.end(undefined, failure('timeout'), timeout);
    traces.startCall(makeCall(), false)?.end(404, success, undefined);
    traces.startCall(makeCall(), false)?.end(200, failure('reset'), undefined);
    traces.startCall(makeCall(), false)?.end(undefined, ignored, new MeshError('INMESH_ABORTED', 'gone'));
    const types = exporter.getFinishedSpans().map(({ attributes }) => attributes['error.type']);
    expect(types).toEqual(['INMESH_TIMEOUT', '404', 'reset', undefined]);
  });

  it('continues the trace that is active when the call starts, also for attempts that start elsewhere', () => {
    const exporter = startTraceSdk();
    const { traces } = create('mesh', inboundHeaders);
    const call = makeCall();
    const outer = trace.getTracer('test').startSpan('outer');
    const ofCall = context.with(trace.setSpan(context.active(), outer), () => traces.startCall(call, false));
    traces.startAttempt(makeAttempt(call), false)?.end(200, success, undefined);
    ofCall?.end(200, success, undefined);
    const [attempt, parent] = exporter.getFinishedSpans();
    expect(parent?.parentSpanContext?.spanId).toBe(outer.spanContext().spanId);
    expect(attempt?.spanContext().traceId).toBe(outer.spanContext().traceId);
  });

  it('continues the trace of the inbound request when nobody else did', () => {
    const exporter = startTraceSdk();
    const { traces } = create('mesh', inboundHeaders);
    traces.startCall(makeCall(), false)?.end(200, success, undefined);
    expect(exporter.getFinishedSpans()[0]?.parentSpanContext).toMatchObject({
      traceId: 'a'.repeat(32),
      isRemote: true,
    });
  });

  it('runs an attempt where instrumentations are silenced, and the call where they are not', async () => {
    startTraceSdk();
    const { traces } = create();
    const call = makeCall();
    const isSuppressed = async () => context.active().getValue(suppressed) === true;
    expect(await traces.startCall(call, false)?.run(isSuppressed, call)).toBe(false);
    const attempt = makeAttempt(call);
    expect(await traces.startAttempt(attempt, false)?.run(isSuppressed, attempt)).toBe(true);
  });

  it('is silent where it is silenced itself', () => {
    startTraceSdk();
    const { traces } = create();
    context.with(context.active().setValue(suppressed, true), () => {
      expect(traces.startCall(makeCall(), false)).toBeUndefined();
    });
  });

  it('with defer, makes the span of the call and runs attempts below it, unsilenced', async () => {
    const exporter = startTraceSdk();
    const { traces } = create('defer');
    const call = makeCall();
    const ofCall = traces.startCall(call, false);
    const attempt = makeAttempt(call);
    const seen = await traces.startAttempt(attempt, false)?.run(async () => context.active(), attempt);
    ofCall?.end(200, success, undefined);
    expect(exporter.getFinishedSpans().map(({ name }) => name)).toEqual(['GET reviews']);
    expect(trace.getSpanContext(seen!)?.spanId).toBe(exporter.getFinishedSpans()[0]?.spanContext().spanId);
    expect(seen?.getValue(suppressed)).toBeUndefined();
  });

  it('with off, makes nothing', () => {
    const exporter = startTraceSdk();
    expect(create('off').traces.startCall(makeCall(), false)).toBeUndefined();
    expect(exporter.getFinishedSpans()).toEqual([]);
  });
});

describe('Propagation', () => {
  const start = (traces: Traces, headers: HeaderList): Attempt => {
    const call = makeCall({ headers });
    traces.startCall(call, false);
    const attempt = makeAttempt(call);
    traces.startAttempt(attempt, false);
    return attempt;
  };
  const parents = (list: HeaderList) => list.filter((_, index) => list[index - 1] === 'traceparent' && index % 2 === 1);

  it('returns the same list when there is nothing to add', () => {
    const { traces, propagation } = create();
    const attempt = start(traces, ['accept', '*/*']);
    expect(propagation.apply(attempt, attempt.headers)).toBe(attempt.headers);
  });

  it('without an SDK, passes the headers of the inbound request on verbatim', () => {
    const { traces, propagation } = create('mesh', inboundHeaders);
    const attempt = start(traces, ['accept', '*/*']);
    expect(propagation.apply(attempt, attempt.headers)).toEqual(['accept', '*/*', ...inboundHeaders]);
  });

  it('without an SDK, lets what the caller has set win', () => {
    const { traces, propagation } = create('mesh', inboundHeaders);
    const attempt = start(traces, ['traceparent', 'own']);
    expect(propagation.apply(attempt, attempt.headers)).toEqual(['traceparent', 'own', 'x-request-id', 'r-1']);
  });

  it('with an SDK, gives each attempt the one traceparent of its own span', () => {
    const exporter = startTraceSdk();
    const { traces, propagation } = create('mesh', inboundHeaders);
    const call = makeCall({ headers: ['traceparent', 'stale', 'tracestate', 'stale=1', 'accept', '*/*'] });
    traces.startCall(call, false);
    const lists = [1, 2].map((number) => {
      const attempt = makeAttempt(call, number);
      const traced = traces.startAttempt(attempt, false);
      const list = propagation.apply(attempt, attempt.headers);
      traced?.end(200, success, undefined);
      return list;
    });
    const expected = exporter.getFinishedSpans().map((span) => `00-${'a'.repeat(32)}-${span.spanContext().spanId}-01`);
    expect(lists.map(parents)).toEqual(expected.map((value) => [value]));
    expect(lists.map((list) => findHeader(list, 'tracestate'))).toEqual(['v=1', 'v=1']);
    expect(lists.map((list) => findHeader(list, 'x-request-id'))).toEqual(['r-1', 'r-1']);
    expect(lists.map((list) => findHeader(list, 'accept'))).toEqual(['*/*', '*/*']);
  });

  it('with defer and an SDK, leaves the trace to the instrumentation and passes the request id on', () => {
    startTraceSdk();
    const { traces, propagation } = create('defer', inboundHeaders);
    const attempt = start(traces, []);
    expect(propagation.apply(attempt, attempt.headers)).toEqual(['x-request-id', 'r-1']);
  });

  it('with off, adds nothing', () => {
    startTraceSdk();
    const { traces, propagation } = create('off', inboundHeaders);
    const attempt = start(traces, []);
    expect(propagation.apply(attempt, attempt.headers)).toBe(attempt.headers);
  });
});
