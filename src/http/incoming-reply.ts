/**
 * What joins the head of a reply to what outlasts it? This object: filters hang the release of load, timers and spans
 * on `onEnd`, and it calls each exactly once with the final verdict.
 */
import type { Duplex } from 'node:stream';
import { type Outcome, outcomeOfError } from '../core/outcome.ts';
import type { ParsedHeaders } from '../core/parsed-headers.ts';
import type { Reply } from '../core/reply.ts';
import { type BodyControl, type BodyObserver, IncomingBody } from './incoming-body.ts';
import { SharedBody } from './shared-body.ts';

type EndListener = (final: Outcome) => void;

/** A reply whose body is still arriving. */
export class IncomingReply implements Reply, BodyObserver {
  readonly status: number;
  readonly statusText: string;
  headers: ParsedHeaders;
  outcome: Outcome;
  readonly body: IncomingBody;
  /** Set when the server switched protocols. */
  socket: Duplex | undefined = undefined;
  /** The final verdict, once the body has ended. */
  private final: Outcome | undefined = undefined;
  private listeners: EndListener | EndListener[] | undefined = undefined;
  private raw: readonly Buffer[] | undefined;

  /** @param isShared whether others read the same chunks. */
  constructor(
    status: number,
    statusText: string,
    headers: ParsedHeaders,
    raw: readonly Buffer[] | undefined,
    outcome: Outcome,
    control: BodyControl,
    isShared = false,
  ) {
    this.status = status;
    this.statusText = statusText;
    this.headers = headers;
    this.raw = raw;
    this.outcome = outcome;
    this.body = isShared ? new SharedBody(control, this) : new IncomingBody(control, this);
  }

  get rawHeaders(): readonly Buffer[] {
    if (this.raw !== undefined) return this.raw;
    const raw: Buffer[] = [];
    for (const [name, value] of Object.entries(this.headers)) {
      for (const one of Array.isArray(value) ? value : [value ?? '']) {
        raw.push(Buffer.from(name, 'latin1'), Buffer.from(one, 'latin1'));
      }
    }
    return raw;
  }

  addHeader(name: string, value: string): void {
    const { [name]: before } = this.headers;
    this.headers = { ...this.headers, [name]: before === undefined ? value : [before, value].flat() };
    if (this.raw !== undefined) this.raw = [...this.raw, Buffer.from(name, 'latin1'), Buffer.from(value, 'latin1')];
  }

  onEnd(listener: EndListener): void {
    if (this.final !== undefined) listener(this.final);
    else if (this.listeners === undefined) this.listeners = listener;
    else if (typeof this.listeners === 'function') this.listeners = [this.listeners, listener];
    else this.listeners.push(listener);
  }

  bodyEnded(error: unknown): void {
    const final = error === undefined ? this.outcome : worse(this.outcome, outcomeOfError(error));
    this.final = final;
    const listeners = this.listeners;
    this.listeners = undefined;
    if (typeof listeners === 'function') listeners(final);
    else if (listeners !== undefined) for (const listener of listeners) listener(final);
  }
}

/** The end of a body may worsen the verdict on the head, or mark it ignored; a failed head stays failed. */
function worse(head: Outcome, end: Outcome): Outcome {
  return head.kind === 'failure' ? head : end;
}
