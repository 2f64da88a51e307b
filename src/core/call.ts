/**
 * What is a call? The logical request: what the caller asked for, once, however many attempts it takes.
 */
import type { Readable } from 'node:stream';
import type { ResolvedCallOptions } from './call-options.ts';
import type { Member } from './member.ts';
import { Operation } from './operation.ts';

/** Alternating names (lower case) and values. */
export type HeaderList = readonly string[];

/**
 * What a server may have seen of an attempt. `none`: nothing, the request never started on a connection. `refused`:
 * the server stated that it did not process it (REFUSED_STREAM, GOAWAY). `maybe`: anything else.
 */
export type Sent = 'none' | 'maybe' | 'refused';

/** What undici can send. */
export type BodySource = string | Uint8Array | Readable | AsyncIterable<Uint8Array>;

/** A request body that may be sent more than once. */
export interface ReplayableBody {
  /** In bytes, or `undefined` when unknown. */
  readonly length: number | undefined;
  /** Whether {@link open} can be called now, again if it was before. */
  readonly replayable: boolean;
  /** The body for the next attempt. */
  open(): BodySource;
  /** Lets go of what is kept for a replay; the call is committed or over. */
  release(): void;
  /** The call is over and nothing more of the body will be read: frees its source. */
  discard(reason: unknown): void;
}

const noMembers: ReadonlySet<Member> = new Set();

/** The logical request. */
export class Call extends Operation {
  readonly method: string;
  /** Host and port as the caller wrote them; becomes the Host header. */
  readonly authority: string;
  /** Path with query, as sent. */
  readonly path: string;
  readonly headers: HeaderList;
  readonly body: ReplayableBody | null;
  /** Whether sending it twice does no harm. */
  readonly idempotent: boolean;
  /** The protocol to switch to (the `upgrade` option of undici); CONNECT says so by its method. */
  upgrade: string | undefined = undefined;
  /** The member of the attempt that was started last. */
  lastMember: Member | undefined = undefined;
  /** The attempt that was started last, or the one that won over it: it alone decides what {@link lastSent} is. */
  lastAttempt: (Operation & { readonly sent: Sent }) | undefined = undefined;
  /** Attempts started so far, those that never left the process not counted. */
  attempts = 0;
  /** {@link Sent} of the attempt that ended last. */
  lastSent: Sent = 'none';
  /** The part of {@link Operation.deadline} that an inbound request imposed: an instant, `Infinity` without one. */
  inheritedDeadline = Number.POSITIVE_INFINITY;
  /** Where that came from; when it has been answered, its deadline binds no more. */
  inheritance: { readonly answered: boolean } | undefined = undefined;
  /** Whether the inbound request behind this call is itself a retry: then it is not multiplied further down. */
  isRepeat = false;
  /** The call that this is a {@link branch} of. */
  private origin: Call | undefined = undefined;
  private triedMembers: Set<Member> | undefined = undefined;
  /** Where the call started, of the mesh's clock. */
  readonly startedAt: number;

  constructor(
    service: string,
    options: ResolvedCallOptions,
    deadline: number,
    startedAt: number,
    method: string,
    authority: string,
    path: string,
    headers: HeaderList,
    body: ReplayableBody | null,
    idempotent: boolean,
  ) {
    super(service, options, deadline);
    this.startedAt = startedAt;
    this.method = method;
    this.authority = authority;
    this.path = path;
    this.headers = headers;
    this.body = body;
    this.idempotent = idempotent;
  }

  /** The members that earlier attempts of this call were sent to; picks avoid them. */
  get tried(): ReadonlySet<Member> {
    return this.triedMembers ?? noMembers;
  }

  /** The call that the caller made: this one, or the one it is a branch of. */
  get root(): Call {
    return this.origin ?? this;
  }

  /**
   * The same request for one of several attempts that are under way at a time: what each comes to, and how it is
   * cancelled, is its own.
   *
   * @param headers in place of those of this call.
   */
  branch(headers: HeaderList = this.headers): Call {
    const { name, options, deadline, startedAt, method, authority, path, body, idempotent } = this;
    const branch = new Call(name, options, deadline, startedAt, method, authority, path, headers, body, idempotent);
    branch.origin = this.root;
    branch.attempts = this.attempts;
    branch.isRepeat = this.isRepeat;
    branch.criticality = this.criticality;
    branch.inheritedDeadline = this.inheritedDeadline;
    branch.inheritance = this.inheritance;
    if (this.triedMembers !== undefined) branch.triedMembers = new Set(this.triedMembers);
    return branch;
  }

  /** Takes back an inherited deadline that no longer holds. */
  refreshDeadline(): void {
    if (this.inheritedDeadline === Number.POSITIVE_INFINITY) return;
    if (this.inheritance?.answered !== true) return;
    this.inheritedDeadline = Number.POSITIVE_INFINITY;
    this.deadline = this.startedAt + this.options.timeoutMs;
  }

  /** Adds to {@link tried}. Most calls have one attempt, so the set is made at the first repeat. */
  addTried(member: Member): void {
    this.triedMembers ??= new Set();
    this.triedMembers.add(member);
  }
}
