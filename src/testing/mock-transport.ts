/**
 * What takes the place of a pool when a service is mocked? A transport that hands requests to a function of the test.
 */
import type { Attempt } from '../core/attempt.ts';
import type { Clock } from '../core/clock.ts';
import { MeshError } from '../core/errors.ts';
import type { Reply } from '../core/reply.ts';
import type { Transport } from '../transport/endpoint-pool.ts';
import { Exchange } from '../transport/exchange.ts';
import { MockExchange } from './mock-exchange.ts';
import { readRequestBody } from './read-request-body.ts';

/**
 * Answers for a service: with a `Response`, or with a value that is sent as JSON with status 200. What it throws ends
 * the attempt: a `MeshError` as it is, anything else, and `Response.error()`, as `INMESH_RESET` with it as the `cause`.
 *
 * @param request what the service would see; its `signal` is aborted when the caller no longer waits. Fetch's `Request`
 * has no body with GET and HEAD; one that was sent anyway is in `mesh.calls`.
 */
export type MockHandler = (request: Request) => unknown;

/** A request that a mocked service got. */
export interface MockCall {
  readonly service: string;
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly headers: Headers;
  /** As UTF-8; empty without one. */
  readonly body: string;
  /** The subset that the caller asked for. */
  readonly subset: string | undefined;
  /** 1 for the first attempt of a call; more where the test has switched retries on. */
  readonly attempt: number;
}

/** The way to the handler of one service. */
export class MockTransport implements Transport {
  readonly stats = { connected: 0, running: 0, pending: 0 };
  private readonly handler: MockHandler;
  private readonly onCall: (call: MockCall) => void;
  private readonly wallTime: () => number;
  private readonly running = new Set<MockExchange>();

  constructor(handler: MockHandler, onCall: (call: MockCall) => void, clock: Clock) {
    this.handler = handler;
    this.onCall = onCall;
    this.wallTime = () => clock.wallTime();
  }

  send(attempt: Attempt): Promise<Reply> {
    const listener = new Exchange(attempt, { wallTime: this.wallTime, tlsErrorCodes: undefined });
    if (!attempt.cancelled && !attempt.call.cancelled) void this.serve(attempt, new MockExchange(attempt, listener));
    return listener.promise;
  }

  probe(attempt: Attempt): Promise<Reply> {
    return this.send(attempt);
  }

  async connect(): Promise<void> {}

  async close(): Promise<void> {}

  async destroy(reason: Error): Promise<void> {
    for (const exchange of [...this.running]) exchange.abort(reason);
  }

  private async serve(attempt: Attempt, exchange: MockExchange): Promise<void> {
    this.running.add(exchange);
    try {
      const { body } = attempt.call;
      const bytes = await readRequestBody(body === null ? null : body.open());
      const request = this.note(attempt, bytes, exchange.signal);
      const answer = await this.handler(request);
      const response = answer instanceof Response ? answer : Response.json(answer ?? null);
      if (response.type === 'error') throw new Error('the handler answered with Response.error()');
      await exchange.answer(response);
    } catch (error) {
      exchange.fail(error);
    } finally {
      this.running.delete(exchange);
    }
  }

  private note(attempt: Attempt, bytes: Buffer, signal: AbortSignal): Request {
    const { name: service, method, path, authority, upgrade } = attempt.call;
    const headers = new Headers();
    for (let index = 0; index + 1 < attempt.headers.length; index += 2) {
      headers.append(attempt.headers[index] as string, attempt.headers[index + 1] as string);
    }
    if (upgrade !== undefined || method === 'CONNECT' || method === 'TRACE') {
      throw new MeshError('INMESH_UNSUPPORTED', `${service}: a mock answers neither CONNECT, TRACE nor upgrades`, {
        service,
      });
    }
    this.onCall({
      service,
      method,
      path,
      headers: new Headers(headers),
      body: bytes.toString(),
      subset: attempt.call.options.subset,
      attempt: attempt.number,
    });
    const body = bytes.length === 0 || method === 'GET' || method === 'HEAD' ? null : new Uint8Array(bytes);
    return new Request(`http://${authority}${path}`, { method, headers, body, signal });
  }
}
