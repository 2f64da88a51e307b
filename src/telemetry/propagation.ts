/**
 * Which trace headers does an attempt carry? With an SDK those of its own span, by the propagator that is registered;
 * without one those of the inbound request, verbatim. In each case one `traceparent`.
 */
import { propagation } from '@opentelemetry/api';
import type { Attempt } from '../core/attempt.ts';
import type { HeaderList } from '../core/call.ts';
import { findHeader } from '../http/header-list.ts';
import { headerListSetter } from './header-carrier.ts';
import type { Traces } from './traces.ts';

/** Puts trace headers on attempts. */
export class Propagation {
  private readonly traces: Traces;
  private readonly inbound: () => HeaderList | undefined;

  /** @param inbound the trace headers of the inbound request that is being served, as of `inboundTraceHeaders`. */
  constructor(traces: Traces, inbound: () => HeaderList | undefined) {
    this.traces = traces;
    this.inbound = inbound;
  }

  /**
   * `headers` with the trace headers of `attempt`; the same list when there are none. The identifiers of a span replace
   * what the caller has written under their names; headers of the inbound request yield to it.
   */
  apply(attempt: Attempt, headers: HeaderList): HeaderList {
    if (this.traces.mode === 'off') return headers;
    const inbound = this.inbound();
    const context = this.traces.contextOf(attempt);
    if (context === undefined) {
      if (inbound === undefined) return headers;
      return this.traces.isTraced(attempt.call.root) ? withRequestId(headers, inbound) : withMissing(headers, inbound);
    }
    const injected: string[] = [];
    propagation.inject(context, injected, headerListSetter);
    const merged = injected.length === 0 ? headers : withReplaced(headers, injected);
    return inbound === undefined ? merged : withRequestId(merged, inbound);
  }
}

/** The identifier of a request is not OpenTelemetry's, so no propagator carries it. */
function withRequestId(headers: HeaderList, inbound: HeaderList): HeaderList {
  const id = findHeader(inbound, 'x-request-id');
  return id === undefined || findHeader(headers, 'x-request-id') !== undefined
    ? headers
    : [...headers, 'x-request-id', id];
}

/** Adds those that the caller has not set. A `tracestate` belongs to its `traceparent`: both or none. */
function withMissing(headers: HeaderList, inbound: HeaderList): HeaderList {
  const ownParent = findHeader(headers, 'traceparent') !== undefined;
  const merged = [...headers];
  for (let index = 0; index < inbound.length; index += 2) {
    const name = inbound[index]!;
    if (ownParent && name === 'tracestate') continue;
    if (findHeader(headers, name) === undefined) merged.push(name, inbound[index + 1]!);
  }
  return merged;
}

function withReplaced(headers: HeaderList, injected: HeaderList): HeaderList {
  const merged: string[] = [];
  const newParent = findHeader(injected, 'traceparent') !== undefined;
  for (let index = 0; index < headers.length; index += 2) {
    const name = headers[index]!;
    if (findHeader(injected, name) !== undefined || (newParent && name === 'tracestate')) continue;
    merged.push(name, headers[index + 1]!);
  }
  merged.push(...injected);
  return merged;
}
