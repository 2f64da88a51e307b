/**
 * How does a call get an answer out of a cache? Through undici's cache interceptor, which knows RFC 9111: it stands in the
 * call stack as a filter, with the rest of the stack where it expects a connection.
 */
import type { Dispatcher } from 'undici';
import type { Call, HeaderList } from '../core/call.ts';
import type { Clock } from '../core/clock.ts';
import { MeshError } from '../core/errors.ts';
import type { Filter, Next } from '../core/filter.ts';
import { success } from '../core/outcome.ts';
import type { ParsedHeaders } from '../core/parsed-headers.ts';
import type { Reply } from '../core/reply.ts';
import { interceptors } from '../core/undici.ts';
import { findHeader, type HeaderInput, toHeaderList } from '../http/header-list.ts';
import { IncomingReply } from '../http/incoming-reply.ts';
import type { CacheStore } from '../mesh/create-engine.ts';
import { deadlineFilter } from '../resilience/deadline/deadline-filter.ts';
import { Forwarding } from './forwarding.ts';
import { patientStore } from './patient-store.ts';

type Handler = Dispatcher.DispatchHandler;
type Controller = Dispatcher.DispatchController;

/** The rest of the stack travels with the options of a request, as undici's interceptors pass them on. */
const origin = Symbol('inmesh.origin');

/** What the interceptor takes for a server. */
interface Origin {
  readonly call: Call;
  readonly next: Next<Call, Reply>;
  /** The caller has a reply. */
  answered: boolean;
  /** What it answered last. */
  reply: Reply | undefined;
}

type Options = Dispatcher.DispatchOptions & { [origin]: Origin };

/** What a {@link ResponseCache} needs. */
export interface ResponseCacheParts {
  /** Default: the memory of this process, with the bounds of undici's `MemoryCacheStore`. */
  readonly store: CacheStore | undefined;
  readonly clock: Clock;
  /** Counts what is under way, also what no caller waits for. */
  readonly active: Filter;
}

/**
 * Answers GET and HEAD from a store as a shared cache may (RFC 9111), and keeps what may be kept; other methods make it
 * forget.
 */
export class ResponseCache {
  private readonly dispatch: (options: Options, handler: Handler) => unknown;
  private readonly active: Filter;
  private readonly deadline: Filter;
  /** What is asked anew while callers have the old reply, by URL: one at a time. */
  private readonly background = new Set<string>();

  constructor({ store, clock, active }: ResponseCacheParts) {
    const options = store === undefined ? {} : { store: patientStore(store, clock) };
    const cache = interceptors.cache({ methods: ['GET', 'HEAD'], ...options });
    const send = (request: Options, handler: Handler) => this.send(request, handler);
    this.dispatch = cache(send as never) as never;
    this.active = active;
    this.deadline = deadlineFilter(clock) as Filter;
  }

  /**
   * The filter of one destination. Belongs above everything that sends.
   *
   * @param scope what is kept for one is not given to another; empty for a service of which there is one version.
   */
  filter(scope: string): Filter {
    const user = scope === '' ? '' : `${encodeURIComponent(scope)}@`;
    return {
      role: 'cache',
      apply: (call, next) => {
        if (call.upgrade !== undefined || call.method === 'CONNECT') return next(call);
        return new Promise((resolve, reject) => {
          const source: Origin = { call, next, answered: false, reply: undefined };
          const { method, authority, path, headers } = call;
          const url = `http://${user}${authority.toLowerCase()}`;
          const request = { origin: url, path, method, headers: [...headers], [origin]: source };
          this.dispatch(request as Options, new Receiver(source, resolve, reject));
        });
      },
    };
  }

  /** Sends what the cache does not have. */
  private send(options: Options, handler: Handler): boolean {
    const { [origin]: source, headers } = options;
    const { call, answered } = source;
    const asked = conditional(toHeaderList(headers as HeaderInput), call);
    if (asked === undefined) new Forwarding(call, handler).run({ run: (sent) => noted(source, source.next(sent)) });
    else if (!answered) {
      const cancelAsked = (reason: unknown) => asked.cancel(reason);
      call.onCancel(cancelAsked);
      const run = async (sent: Call) => {
        try {
          const reply = await noted(source, source.next(sent));
          reply.onEnd(() => call.offCancel(cancelAsked));
          return reply;
        } catch (error) {
          call.offCancel(cancelAsked);
          throw error;
        }
      };
      new Forwarding(asked, handler).run({ run });
    } else this.sendInBackground(asked, `${options.origin}${call.path}`, source.next, handler);
    return true;
  }

  /** Nobody waits for it, so nobody else ends it. */
  private sendInBackground(asked: Call, url: string, next: Next<Call, Reply>, handler: Handler): void {
    if (this.background.has(url)) {
      handler.onResponseError?.(null as never, new MeshError('INMESH_ABORTED', `${url} is being asked already`));
      return;
    }
    this.background.add(url);
    const ended = () => this.background.delete(url);
    const guarded = (sent: Call) => this.active.apply(sent, (inner) => this.deadline.apply(inner, next));
    const run = async (sent: Call) => {
      try {
        const reply = await guarded(sent);
        reply.onEnd(ended);
        return reply;
      } catch (error) {
        ended();
        throw error;
      }
    };
    new Forwarding(asked, handler).run({ run });
  }
}

async function noted(source: Origin, replying: Promise<Reply>): Promise<Reply> {
  const reply = await replying;
  source.reply = reply;
  return reply;
}

/** The call with the conditions that the cache added; undefined when it has added none. */
function conditional(headers: HeaderList, call: Call): Call | undefined {
  const added = ['if-none-match', 'if-modified-since'].some(
    (name) => findHeader(headers, name) !== findHeader(call.headers, name),
  );
  return added ? call.branch(headers) : undefined;
}

/** Makes a reply of what the cache hands on. */
class Receiver implements Handler {
  private readonly source: Origin;
  private readonly resolve: (reply: Reply) => void;
  private readonly reject: (error: unknown) => void;
  private controller: Controller | undefined = undefined;
  private reply: IncomingReply | undefined = undefined;

  constructor(source: Origin, resolve: (reply: Reply) => void, reject: (error: unknown) => void) {
    this.source = source;
    this.resolve = resolve;
    this.reject = reject;
    source.call.onCancel(this.onCancel);
  }

  onRequestStart(controller: Controller): void {
    this.controller = controller;
    const { cancelled, cancelReason } = this.source.call;
    if (cancelled) this.onCancel(cancelReason);
  }

  onResponseStart(controller: Controller, status: number, headers: unknown, statusText = ''): void {
    const { reply } = this.source;
    this.source.answered = true;
    // A kept reply that stands in for a failure is a success.
    const outcome = reply?.status === status ? reply.outcome : success;
    this.reply = new IncomingReply(status, statusText, headers as ParsedHeaders, undefined, outcome, {
      pause: () => controller.pause(),
      resume: () => controller.resume(),
      abort: (reason) => controller.abort(reason as Error),
    });
    this.resolve(this.reply);
  }

  onResponseData(_controller: Controller, chunk: Buffer): void {
    this.reply?.body.push(chunk);
  }

  onResponseEnd(_controller: Controller, trailers: unknown): void {
    this.source.call.offCancel(this.onCancel);
    const raw = Object.entries((trailers ?? {}) as Record<string, string>).flat();
    this.reply?.body.finish(raw.map((text) => Buffer.from(text, 'latin1')));
  }

  onResponseError(_controller: Controller, error: Error): void {
    this.source.call.offCancel(this.onCancel);
    if (this.reply === undefined) this.reject(error);
    else this.reply.body.fail(error);
  }

  /** What was sent ends by itself, and then says what a server may have seen; what waits for the cache ends here. */
  private readonly onCancel = (reason: unknown): void => {
    const { controller } = this;
    if (controller instanceof Forwarding) return;
    controller?.abort(reason as Error);
    this.onResponseError(controller as Controller, reason as Error);
  };
}
