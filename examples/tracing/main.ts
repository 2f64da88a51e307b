/**
 * A call as OpenTelemetry sees it: one span for the call, one below it for each attempt, and the trace goes on in the
 * service that is called. In earnest an exporter for OTLP stands in place of the one for memory.
 *
 * npm run build && node examples/tracing/main.ts
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { trace } from '@opentelemetry/api';
import { NodeSDK } from '@opentelemetry/sdk-node';
import { InMemorySpanExporter, type ReadableSpan, SimpleSpanProcessor } from '@opentelemetry/sdk-trace';
import { createMesh } from 'inmesh';

// The SDK comes before the first call. The mesh finds it by itself.
const exporter = new InMemorySpanExporter();
const sdk = new NodeSDK({
  serviceName: 'shop',
  spanProcessors: [new SimpleSpanProcessor({ exporter })],
  metricReaders: [],
  logRecordProcessors: [],
});
sdk.start();

// A service that fails once.
const received: (string | undefined)[] = [];
const server = createServer((request, response) => {
  received.push(request.headers.traceparent as string | undefined);
  response.writeHead(received.length === 1 ? 503 : 200).end('42');
}).listen(0, '127.0.0.1');
await once(server, 'listening');

const { port } = server.address() as AddressInfo;
const mesh = await createMesh({
  service: 'shop',
  registry: { services: [{ host: 'prices', endpoints: [{ address: `127.0.0.1:${port}` }] }] },
});

await trace.getTracer('shop').startActiveSpan('order', async (span) => {
  await (await mesh.fetch('http://prices/book')).text();
  span.end();
});
await mesh.close();
server.close();
server.closeAllConnections();

print(exporter.getFinishedSpans(), undefined, '');
console.log(`\nthe service was sent\n${received.join('\n')}`);
await sdk.shutdown();

function print(spans: readonly ReadableSpan[], parent: string | undefined, indent: string): void {
  for (const span of spans.filter(({ parentSpanContext }) => parentSpanContext?.spanId === parent)) {
    const { spanId, traceId } = span.spanContext();
    const status = span.attributes['http.response.status_code'] ?? '';
    const peer = span.attributes['network.peer.address'] === undefined ? '' : 'to an endpoint';
    console.log(`${traceId.slice(0, 8)} ${spanId.slice(0, 8)} ${indent}${span.name} ${peer} ${status}`.trimEnd());
    print(spans, spanId, `${indent}  `);
  }
}
