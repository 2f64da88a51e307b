import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { inboundTraceHeaders } from '../../src/telemetry/inbound-trace-headers.ts';

const parent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;

describe('inboundTraceHeaders', () => {
  it('passes the trace headers on verbatim, and no other header', () => {
    const headers = { traceparent: parent, tracestate: 'v=1,w=2', 'x-request-id': 'r-1', cookie: 'secret', b3: '0' };
    expect(inboundTraceHeaders(headers, false)).toEqual([
      'traceparent',
      parent,
      'tracestate',
      'v=1,w=2',
      'x-request-id',
      'r-1',
      'b3',
      '0',
    ]);
  });

  it('has nothing for a request without them', () => {
    expect(inboundTraceHeaders({ cookie: 'secret' }, true)).toBeUndefined();
  });

  it('takes baggage from trusted peers only', () => {
    expect(inboundTraceHeaders({ baggage: 'user=1' }, true)).toEqual(['baggage', 'user=1']);
    expect(inboundTraceHeaders({ baggage: 'user=1' }, false)).toBeUndefined();
  });

  it('drops a tracestate whose traceparent is not valid', () => {
    expect(inboundTraceHeaders({ traceparent: 'x', tracestate: 'v=1' }, false)).toBeUndefined();
  });

  it('takes traceparents of later versions', () => {
    const later = `cc${parent.slice(2)}-what-the-future-will-be-like`;
    expect(inboundTraceHeaders({ traceparent: later }, false)).toEqual(['traceparent', later]);
  });

  it.each([
    ['traceparent', parent.toUpperCase()],
    ['traceparent', `ff${parent.slice(2)}`],
    ['traceparent', `${parent}-more`],
    ['traceparent', `00-${'0'.repeat(32)}-${'b'.repeat(16)}-01`],
    ['traceparent', `00-${'a'.repeat(32)}-${'0'.repeat(16)}-01`],
    ['traceparent', `${parent}, ${parent}`],
    ['baggage', Array.from({ length: 65 }, (_, index) => `k${index}=1`).join(',')],
    ['baggage', `k=${'v'.repeat(8192)}`],
    ['baggage', 'k=ä'],
    ['x-request-id', 'a b'],
    ['x-request-id', 'r'.repeat(257)],
    ['b3', 'deny'],
    ['x-b3-traceid', 'abc'],
    ['x-b3-sampled', '2'],
  ])('drops %s: %j', (name, value) => {
    expect(inboundTraceHeaders({ [name]: value }, true)).toBeUndefined();
  });

  it('drops a tracestate above 512 bytes, and keeps the traceparent', () => {
    expect(inboundTraceHeaders({ traceparent: parent, tracestate: 'v'.repeat(513) }, false)).toEqual([
      'traceparent',
      parent,
    ]);
  });

  it('lets no control character through, wherever it is', () => {
    const names = fc.constantFrom('traceparent', 'tracestate', 'baggage', 'x-request-id', 'b3');
    fc.assert(
      fc.property(names, fc.string({ maxLength: 8 }), fc.constantFrom('\r', '\n', '\0'), (name, text, control) => {
        const headers = { traceparent: parent, [name]: `${text}${control}${text}` };
        const list = inboundTraceHeaders(headers, true) ?? [];
        expect(list.join('')).not.toContain(control);
      }),
    );
  });
});
