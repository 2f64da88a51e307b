/**
 * What does a request that is being served pass on to the calls it causes? The time that is left for it, its trace
 * context and id, how critical it is, and whether it is itself a retry. One function serves node:http, Express and
 * Fastify's hooks.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../core/clock.ts';
import { criticalityHeader, parseCriticality } from '../core/criticality.ts';
import { remainingTimeHeader } from '../core/deadline.ts';
import { attemptCountHeader } from '../mesh/headers-filter.ts';
import { InboundContext, inboundContext } from '../mesh/inbound-context.ts';
import type { ShedOptions } from '../resilience/shedding/load-shedder.ts';
import { inboundTraceHeaders } from '../telemetry/inbound-trace-headers.ts';
import type { Shed } from './inbound-shedding.ts';
import type { OwnLoad } from './own-load.ts';
import type { ServedRequests } from './served-requests.ts';

/** Longer deadlines of strangers are cut to this, in ms. */
const maxInheritedMs = 300_000;

/** Options of `mesh.inbound()`. */
export interface InboundOptions {
  /**
   * Whether requests are turned away with 503 and Retry-After while the process has too much to do, the least critical
   * first. `{}` for the defaults. What always has to be answered, as health checks, belongs before the middleware. Default:
   * none is.
   */
  shed?: Partial<ShedOptions>;
  /**
   * Whether replies tell the load of this process, in the header `endpoint-load-metrics` (ORCA): for the load balancers
   * `weightedRoundRobin` and `prequal` of its callers. Callers outside of the mesh see it too. Default false.
   */
  reportLoad?: boolean;
}

/** A request or reply of Fastify, which has Node's below. */
interface Wrapped<T> {
  raw: T;
}

/**
 * `app.use(mesh.inbound())` in Express; `fastify.addHook('onRequest', mesh.inbound())`; in node:http
 * `createServer((req, res) => inbound(req, res, () => handle(req, res)))`.
 */
export type InboundMiddleware = (
  request: IncomingMessage | Wrapped<IncomingMessage>,
  response: ServerResponse | Wrapped<ServerResponse>,
  next: (error?: Error) => void,
) => void;

/**
 * Makes the middleware.
 *
 * @param shed answers requests that are not to be served; `undefined` when all are.
 * @param load what replies tell; `undefined` when they tell nothing.
 */
export function inboundMiddleware(
  clock: Clock,
  served: ServedRequests,
  shed: Shed | undefined,
  load: OwnLoad | undefined,
): InboundMiddleware {
  return (request, response, next) => {
    const { headers } = 'raw' in request ? request.raw : request;
    const answer = 'raw' in response ? response.raw : response;
    const criticality = parseCriticality(headers[criticalityHeader]);
    if (shed?.(criticality, response, answer)) return;
    served.add(answer);
    load?.report(answer);
    const deadline = deadlineOf(headers[remainingTimeHeader], clock.now());
    const isRetry = Number(headers[attemptCountHeader] ?? 1) > 1;
    // Whether the peer is one of the mesh is not known yet, so baggage is not taken from it.
    const context = new InboundContext(deadline, isRetry, inboundTraceHeaders(headers, false), criticality);
    if (deadline !== Number.POSITIVE_INFINITY) endWithAnswer(context, answer);
    inboundContext.run(context, () => next());
  };
}

function deadlineOf(header: string | string[] | undefined, now: number): number {
  if (typeof header !== 'string' || !/^\d{1,12}$/.test(header) || header === '0') return Number.POSITIVE_INFINITY;
  return now + Math.min(Number(header), maxInheritedMs);
}

/**
 * Once the head is out, or the caller is gone, what goes on (a log, a cache) is no longer bound by the caller's time. But
 * the calls that a caller without an answer leaves behind still are: he may have gone because that time was over.
 */
function endWithAnswer(context: InboundContext, answer: ServerResponse): void {
  const lift = () => {
    context.deadline = Number.POSITIVE_INFINITY;
  };
  const writeHead = answer.writeHead;
  answer.writeHead = function (this: ServerResponse, ...args: unknown[]) {
    lift();
    context.answered = true;
    return (writeHead as (...args: unknown[]) => ServerResponse).apply(this, args);
  } as typeof answer.writeHead;
  answer.once('close', lift);
}
