/**
 * What is under all adapters? The engine: it makes a call of a request, runs it through the plan of its route, and
 * holds what is behind the plans. `fetch`, `request` and the dispatcher differ in what they make of the reply.
 */

import type { HeaderList } from '../core/call.ts';
import { Call } from '../core/call.ts';
import type { CallOptions, ResolvedCallOptions } from '../core/call-options.ts';
import type { Clock } from '../core/clock.ts';
import { defaultCriticality } from '../core/criticality.ts';
import { deadlineOf, remainingMs } from '../core/deadline.ts';
import { MeshError } from '../core/errors.ts';
import type { Reply } from '../core/reply.ts';
import { isIdempotent } from '../http/method.ts';
import { type BodyInput, replayableBody } from '../http/request-body.ts';
import type { ActiveCalls } from './active-calls.ts';
import type { Configuration } from './configuration.ts';
import { inboundContext } from './inbound-context.ts';
import { Overrides } from './overrides.ts';
import type { RoutePlan } from './route-plan.ts';

/** What an adapter asks for. */
export interface CallRequest {
  /** Whether the URL says https: then nothing less will do. */
  readonly secure: boolean;
  /** Host and port in lower case, without the default port. */
  readonly authority: string;
  readonly path: string;
  readonly method: string;
  readonly headers: HeaderList;
  readonly body: BodyInput;
  readonly overrides: Overrides | undefined;
  readonly upgrade?: string | undefined;
  /** Whether an unknown host is the adapter's business rather than an error. */
  readonly passUnknown?: boolean;
}

/** A call with the plan it takes. */
class PlannedCall extends Call {
  plan!: RoutePlan;
}

/** The mesh without its adapters. */
export class MeshEngine {
  readonly configuration: Configuration;
  private readonly clock: Clock;
  private readonly calls: ActiveCalls;
  private closed = false;

  constructor(configuration: Configuration, clock: Clock, calls: ActiveCalls) {
    this.configuration = configuration;
    this.clock = clock;
    this.calls = calls;
  }

  /** The overrides of a call: those of its view, with those given with it laid over. */
  overrides(view: Overrides | undefined, own: CallOptions | undefined): Overrides | undefined {
    if (own === undefined) return view;
    return view === undefined ? new Overrides(own) : view.and(own);
  }

  /** `overrides` for a call that goes on where `call` led to: with what is left of its time. */
  overridesOfRest(call: Call, overrides: Overrides | undefined): Overrides | undefined {
    if (call.options.timeoutMs === Number.POSITIVE_INFINITY) return overrides;
    return this.overrides(overrides, { timeoutMs: remainingMs(call.deadline, this.clock.now()) });
  }

  /**
   * Makes a call; {@link run} sends it.
   *
   * @returns undefined for a host that is not of the mesh, when the document or the adapter lets such requests pass.
   * @throws MeshError `INMESH_UNKNOWN_HOST`, `INMESH_NO_ROUTE`, `INMESH_TLS` (https to a service in cleartext),
   * `INMESH_OPTION`, `INMESH_REQUEST`, `INMESH_CLOSED`.
   */
  start(request: CallRequest): Call | undefined {
    const { authority, method, path, headers, overrides } = request;
    if (this.closed) throw new MeshError('INMESH_CLOSED', 'the mesh is closed');
    let plan = this.configuration.plan(authority, method, path, headers);
    if (plan === 'no-route') {
      throw new MeshError('INMESH_NO_ROUTE', `no route of ${authority} matches ${method} ${path}`);
    }
    if (plan === 'unknown-host' || isOtherPort(authority, plan)) {
      const { configuration } = this;
      const passes = request.passUnknown === true || configuration.outboundMode === 'ALLOW_ANY';
      if (passes && request.secure) return undefined;
      if (!passes && plan !== 'unknown-host') this.refusePort(authority, plan);
      const isPassed = passes && !configuration.namesEveryService;
      const found = isPassed ? configuration.discovered(authority) : configuration.discover(authority);
      if (found === undefined && isPassed) return undefined;
      plan = found ?? this.refuseUnknown(authority);
    }
    const options = overrides === undefined ? plan.options : overrides.over(plan.options);
    if (options.subset !== undefined && options.subset !== plan.subset) {
      plan = this.configuration.planForSubset(plan, options.subset);
    }
    if (request.secure && plan.service.config.tls === undefined) {
      throw new MeshError('INMESH_TLS', `https://${authority}: the service has no TLS, and https is never downgraded`);
    }
    return this.makeCall(request, plan, options);
  }

  /**
   * For a request that {@link start} lets pass: whether the registry has yet to be asked for its host.
   *
   * @returns resolves when that is known, or cannot be known in time, and start is to be asked again.
   */
  ask(secure: boolean, authority: string): Promise<void> | undefined {
    return secure || this.closed ? undefined : this.configuration.ask(authority);
  }

  /** Sends a call of {@link start}. Settles at the head of the reply, with a mesh error, or the reason of a cancellation. */
  readonly run = (call: Call): Promise<Reply> => (call as PlannedCall).plan.run(call);

  /** Refuses new calls, and resolves when those under way are over. */
  drain(): Promise<void> {
    this.closed = true;
    return this.calls.idle();
  }

  /** Ends the calls under way. */
  cancelAll(reason: MeshError): void {
    this.calls.cancelAll(reason);
  }

  private makeCall(request: CallRequest, plan: RoutePlan, options: ResolvedCallOptions): Call {
    const { method, headers } = request;
    const now = this.clock.now();
    const inbound = inboundContext.getStore();
    const inherited = inbound === undefined || !options.inheritDeadline ? Number.POSITIVE_INFINITY : inbound.deadline;
    const idempotent = isIdempotent(method, headers, options.idempotent);
    const call = new PlannedCall(
      plan.service.host,
      options,
      deadlineOf(now, options.timeoutMs, inherited),
      now,
      method,
      request.authority,
      request.path,
      headers,
      replayableBody(request.body, idempotent),
      idempotent,
    );
    call.plan = plan;
    call.inheritedDeadline = inherited;
    call.inheritance = inbound;
    if (request.upgrade !== undefined) call.upgrade = request.upgrade;
    if (inbound !== undefined) {
      call.isRepeat = inbound.isRetry;
      call.criticality = options.criticality ?? inbound.criticality ?? defaultCriticality;
    }
    return call;
  }

  private refusePort(authority: string, { service }: RoutePlan): never {
    const { host, config } = service;
    const allowed = config.port === undefined ? 'no port' : `port ${config.port}`;
    throw new MeshError('INMESH_UNKNOWN_HOST', `${authority}: the service ${host} has ${allowed}`, { service: host });
  }

  private refuseUnknown(authority: string): never {
    throw new MeshError(
      'INMESH_UNKNOWN_HOST',
      `${authority} is not a service of the registry; known are ${this.configuration.knownHosts()}`,
    );
  }
}

/** A URL that names a port means that port; the mesh does not send it to another. */
function isOtherPort(authority: string, { service }: RoutePlan): boolean {
  if (!authority.includes(':')) return false;
  const port = Number(/:(\d+)$/.exec(authority)?.[1] ?? 0);
  // One that a registry names has the ports of its endpoints.
  return port !== 0 && port !== service.config.port && service.config.endpoints.length > 0;
}
