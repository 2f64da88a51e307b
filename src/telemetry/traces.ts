/**
 * Which spans does a call make, and what do they cost without an SDK? One INTERNAL span a call and one CLIENT span an
 * attempt, through `@opentelemetry/api` alone. Without an SDK nothing is allocated: two property reads tell that there
 * is none, at every call anew, because an SDK may be registered after the mesh was created.
 */
import {
  type Context,
  context,
  createContextKey,
  type ProxyTracerProvider,
  propagation,
  SpanKind,
  type Tracer,
  type TracerProvider,
  trace,
} from '@opentelemetry/api';
import type { Attempt } from '../core/attempt.ts';
import type { Call, HeaderList } from '../core/call.ts';
import type { Operation } from '../core/operation.ts';
import { headerListGetter } from './header-carrier.ts';
import { instrumentationScope } from './instrumentation-scope.ts';
import { OperationTrace } from './operation-trace.ts';
import { attemptAttributes, methodName, requestAttributes } from './trace-attributes.ts';

/**
 * Who traces. `mesh`: the mesh makes the spans of calls and attempts and their headers; instrumentations below it are
 * silenced, so that there is one span and one `traceparent` an attempt. `defer`: the mesh makes the spans of calls, and
 * leaves those of attempts, and the headers, to an instrumentation of undici. `off`: neither spans nor headers.
 */
export type TracingMode = 'mesh' | 'defer' | 'off';

/** Options of {@link Traces}. */
export interface TracesOptions {
  readonly mode: TracingMode;
  /** The trace headers of the inbound request that is being served, as of `inboundTraceHeaders`. */
  readonly inbound: () => HeaderList | undefined;
}

/** The key by which the SDK, and instrumentations, know that they are not wanted. It is `Symbol.for` of this text. */
const suppressTracing = createContextKey('OpenTelemetry SDK Context Key SUPPRESS_TRACING');

/** Makes the spans of a mesh. */
export class Traces {
  readonly mode: TracingMode;
  private readonly inbound: () => HeaderList | undefined;
  private readonly contexts = new WeakMap<Operation, Context>();
  private delegate: TracerProvider | undefined = undefined;
  private tracer: Tracer | undefined = undefined;

  constructor(options: TracesOptions) {
    this.mode = options.mode;
    this.inbound = options.inbound;
  }

  /** Captures the active context and starts the span of `call`; `undefined` when nothing is traced. */
  startCall(call: Call, secure: boolean): OperationTrace | undefined {
    const tracer = this.mode === 'off' ? undefined : this.currentTracer();
    if (tracer === undefined) return undefined;
    const active = context.active();
    if (active.getValue(suppressTracing) === true) return undefined;
    const parent = this.withInbound(active);
    const attributes = requestAttributes(call, secure);
    const span = tracer.startSpan(
      `${methodName(call.method)} ${call.name}`,
      { kind: SpanKind.INTERNAL, attributes },
      parent,
    );
    const own = trace.setSpan(parent, span);
    this.contexts.set(call, own);
    return new OperationTrace(span, own);
  }

  /** Starts the span of `attempt` below that of its call; `undefined` when its call is not traced. */
  startAttempt(attempt: Attempt, secure: boolean): OperationTrace | undefined {
    const tracer = this.mode === 'off' ? undefined : this.currentTracer();
    if (tracer === undefined) return undefined;
    const parent = this.contexts.get(attempt.call.root);
    if (parent === undefined) return undefined;
    if (this.mode === 'defer') return new OperationTrace(undefined, parent);
    const attributes = attemptAttributes(attempt, secure);
    const span = tracer.startSpan(methodName(attempt.call.method), { kind: SpanKind.CLIENT, attributes }, parent);
    const own = trace.setSpan(parent, span);
    this.contexts.set(attempt, own);
    return new OperationTrace(span, own.setValue(suppressTracing, true));
  }

  /** Whether a span was made for `call`. */
  isTraced(call: Call): boolean {
    return this.contexts.has(call);
  }

  /** The context whose identifiers `attempt` has to carry; `undefined` when the mesh makes no span for it. */
  contextOf(attempt: Attempt): Context | undefined {
    return this.contexts.get(attempt);
  }

  /** Continues the trace of the inbound request where no instrumentation of the server did. */
  private withInbound(active: Context): Context {
    if (trace.getSpanContext(active) !== undefined) return active;
    const inbound = this.inbound();
    return inbound === undefined ? active : propagation.extract(active, inbound, headerListGetter);
  }

  /** The tracer of the SDK, or `undefined` without one. Called for every call: no allocation unless the SDK changed. */
  private currentTracer(): Tracer | undefined {
    const provider: TracerProvider & Partial<ProxyTracerProvider> = trace.getTracerProvider();
    // The API hands out a proxy whose delegate is the SDK. Structural, since it may be that of another copy of the API.
    const delegate = provider.getDelegate?.() ?? provider;
    if (delegate !== this.delegate) {
      this.delegate = delegate;
      const { name, version } = instrumentationScope;
      this.tracer =
        provider.getDelegateTracer === undefined
          ? provider.getTracer(name, version)
          : provider.getDelegateTracer(name, version);
    }
    return this.tracer;
  }
}
