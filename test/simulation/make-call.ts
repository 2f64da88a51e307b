/**
 * How does a caller behave? As its plan says, through one of the three ways into the mesh; and it reports to the record
 * each thing that happens to it, as often as it happens.
 */
import { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import { isIdempotent } from '../../src/http/method.ts';
import type { SimulatedCall, Simulation } from '../../src/testing/index.ts';
import type { CallPlan } from './random-call.ts';

/** A caller that is under way. */
export interface Caller {
  /** Gives up. */
  abort(): void;
}

const reason = new Error('the caller gave up');

/** Makes the call of `plan`. */
export function makeCall(simulation: Simulation, plan: CallPlan): Caller {
  const call = simulation.begin({
    host: plan.host,
    method: plan.method,
    idempotent: isIdempotent(plan.method, plan.headers, plan.options.idempotent),
    timeoutMs: plan.options.timeoutMs || Number.POSITIVE_INFINITY,
  });
  const controller = new AbortController();
  const caller = {
    abort() {
      call.abort();
      controller.abort(reason);
    },
  };
  if (plan.abortAfterMs === 0) caller.abort();
  inbound(simulation, plan, () => ways[plan.api](simulation, plan, call, controller.signal));
  return caller;
}

/** Runs `next` as a part of the inbound request of the plan. */
function inbound(simulation: Simulation, plan: CallPlan, next: () => void): void {
  const { inheritedMs, repeat, inheritedCriticality } = plan;
  if (inheritedMs === undefined && !repeat && inheritedCriticality === undefined) {
    next();
    return;
  }
  const headers = {
    ...(inheritedMs === undefined ? undefined : { 'x-envoy-expected-rq-timeout-ms': String(inheritedMs) }),
    ...(repeat ? { 'x-envoy-attempt-count': '2' } : undefined),
    ...(inheritedCriticality === undefined ? undefined : { 'x-request-criticality': inheritedCriticality }),
  };
  const response = { writeHead() {}, once() {} };
  simulation.mesh.inbound()({ headers } as never, response as never, next);
}

type Way = (simulation: Simulation, plan: CallPlan, call: SimulatedCall, signal: AbortSignal) => void;

const ways: Record<CallPlan['api'], Way> = {
  request({ mesh }, plan, call, signal) {
    const { host, method, options, use } = plan;
    const headers = [...plan.headers, 'x-request-id', call.key];
    mesh.request(`http://${host}/item`, { method, headers, body: bodyOf(plan), signal, mesh: options }).then(
      ({ statusCode, body }) => {
        call.head(statusCode);
        if (use === 'destroy') body.destroy();
        else if (use === 'leave') return;
        else reads(call, use === 'read' ? body.text() : body.dump());
      },
      (error) => call.fail(error),
    );
  },

  fetch({ mesh }, plan, call, signal) {
    const { host, method, options, use } = plan;
    const pairs = plan.headers.length === 0 ? {} : { [plan.headers[0] as string]: plan.headers[1] as string };
    const body = bodyOf(plan);
    const init: object = {
      method,
      headers: { ...pairs, 'x-request-id': call.key },
      signal,
      mesh: options,
      ...(body === undefined ? undefined : { body, duplex: 'half' }),
    };
    mesh.fetch(`http://${host}/item`, init).then(
      (response) => {
        call.head(response.status);
        if (use === 'destroy') response.body?.cancel().catch(() => {});
        else if (use !== 'leave') reads(call, response.text());
      },
      (error) => call.fail(error),
    );
  },

  dispatcher({ mesh }, plan, call, signal) {
    const { host, method, options, use } = plan;
    const headers = [...plan.headers, 'x-request-id', call.key];
    let headed = false;
    const handler: Dispatcher.DispatchHandler = {
      onRequestStart(controller) {
        if (signal.aborted) controller.abort(reason);
        else signal.addEventListener('abort', () => controller.abort(reason), { once: true });
      },
      onResponseStart(controller, statusCode) {
        headed = true;
        call.head(statusCode);
        call.reading = use === 'read' || use === 'dump';
        if (use === 'destroy') controller.abort(reason);
        else if (use === 'leave') controller.pause();
      },
      onResponseData() {},
      onResponseEnd() {
        if (call.reading) call.read();
      },
      onResponseError(_controller, error) {
        if (!headed) call.fail(error);
        else if (call.reading) call.read();
      },
    };
    const request = { origin: `http://${host}`, path: '/item', method, headers, body: bodyOf(plan), mesh: options };
    (mesh.dispatcher as unknown as Dispatcher).dispatch(request as Dispatcher.DispatchOptions, handler);
  },
};

function reads(call: SimulatedCall, ended: Promise<unknown>): void {
  call.reading = true;
  ended.then(
    () => call.read(),
    () => call.read(),
  );
}

function bodyOf({ body, api }: CallPlan): string | Readable | AsyncIterable<Uint8Array> | undefined {
  if (body === 'none') return undefined;
  if (body === 'text') return 'text';
  if (body === 'stream') return api === 'request' ? Readable.from([Buffer.from('a'), Buffer.from('b')]) : pieces(false);
  return pieces(true);
}

async function* pieces(broken: boolean): AsyncGenerator<Uint8Array> {
  yield Buffer.from('a');
  if (broken) throw new Error('the source broke');
  yield Buffer.from('b');
}
