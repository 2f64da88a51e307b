/**
 * What is kept of a call or an attempt while it is traced? Its span, and the context its rest runs under: a context is
 * lost in timers and in the handler callbacks of undici, so it is kept and entered again, never assumed.
 */
import { type Context, context, type Span, SpanStatusCode } from '@opentelemetry/api';
import type { Next } from '../core/filter.ts';
import type { Outcome } from '../core/outcome.ts';
import { errorType } from './trace-attributes.ts';

/** The trace of one call or attempt. Exists only while an OpenTelemetry SDK is registered. */
export class OperationTrace {
  private readonly span: Span | undefined;
  private readonly context: Context;

  /** @param span undefined when the span is made by somebody else under `context`. */
  constructor(span: Span | undefined, runContext: Context) {
    this.span = span;
    this.context = runContext;
  }

  /** The rest of the stack, under the context. */
  run<O, R>(next: Next<O, R>, operation: O): Promise<R> {
    return context.with(this.context, next, undefined, operation);
  }

  /** Ends the span. */
  end(status: number | undefined, outcome: Outcome, error: unknown): void {
    if (this.span === undefined) return;
    if (status !== undefined) this.span.setAttribute('http.response.status_code', status);
    const type = errorType(status, outcome, error);
    if (type !== undefined) {
      this.span.setAttribute('error.type', type);
      this.span.setStatus({ code: SpanStatusCode.ERROR });
    }
    this.span.end();
  }
}
