/**
 * How does a client stay at one endpoint, whatever the load balancer? A cookie names it (Envoy's stateful session, gRPC
 * A55). Who comes with the cookie of a member gets that member, also while it drains: its sessions may end there. Who comes
 * without, or whose member is gone, unhealthy or was tried, is balanced as ever, and gets a new cookie.
 *
 * The cookie has a hash of the address, so that all processes agree on it and nobody reads addresses from it.
 *
 * A client moves also when its member has as many requests in flight as it may, while others have room: it is not worth a
 * wait to stay, and a queue for one member would hold up all that stand behind it.
 */
import type { Call } from '../core/call.ts';
import type { Member } from '../core/member.ts';
import { cookieOf } from './hash-key.ts';
import { memberHash } from './member-hash.ts';
import type { Picker } from './picker.ts';
import type { SessionOptions } from './session-options.ts';

/** Picks by cookie, else as another picker does. */
export class SessionPicker implements Picker {
  readonly loadChanged: Picker['loadChanged'];
  readonly loadReported: Picker['loadReported'];
  readonly pointOf: Picker['pointOf'];
  private readonly cookieName: string;
  private readonly inner: Picker;
  private members: readonly Member[] = [];
  /** Of {@link members}; made for the first cookie after a change. */
  private byToken: ReadonlyMap<string, Member> | undefined = undefined;

  constructor({ cookieName }: SessionOptions, inner: Picker) {
    this.cookieName = cookieName;
    this.inner = inner;
    this.loadChanged = (member, by) => inner.loadChanged?.(member, by);
    this.loadReported = (member, now) => inner.loadReported?.(member, now);
    this.pointOf = (call) => inner.pointOf?.(call);
  }

  get candidates(): Picker['candidates'] {
    return this.inner.candidates;
  }

  get repeatCandidates(): Picker['repeatCandidates'] {
    return this.inner.repeatCandidates;
  }

  rebuild(members: readonly Member[]): void {
    this.inner.rebuild(members);
    const { members: before } = this;
    // Their health changes more often than their number, and ten thousand tokens take milliseconds.
    if (before.length === members.length && members.every((member, index) => member === before[index])) return;
    this.members = [...members];
    this.byToken = undefined;
  }

  pick(call: Call | undefined, tried: ReadonlySet<Member>, now: number): Member | undefined {
    const token = call && tokenIn(call, this.cookieName);
    const member = token === undefined ? undefined : this.memberOf(token);
    return member?.healthy && !tried.has(member) ? member : this.inner.pick(call, tried, now);
  }

  private memberOf(token: string): Member | undefined {
    this.byToken ??= new Map(this.members.map((member) => [tokenOf(member), member]));
    return this.byToken.get(token);
  }
}

/** What a reply of `member` sets, so that its client comes back; `undefined` when the call came with it. */
export function sessionCookie(options: SessionOptions, call: Call, member: Member): string | undefined {
  const { cookieName, path, maxAgeSeconds } = options;
  const token = tokenOf(member);
  if (tokenIn(call, cookieName) === token) return undefined;
  const maxAge = maxAgeSeconds === undefined ? '' : `; Max-Age=${maxAgeSeconds}`;
  return `${cookieName}=${token}; Path=${path}${maxAge}; HttpOnly`;
}

/** Without the quotes that a client may have put around it (RFC 6265, 4.1.1). */
function tokenIn(call: Call, cookieName: string): string | undefined {
  const value = cookieOf(call, cookieName);
  return value?.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value;
}

function tokenOf(member: Member): string {
  const [first, second] = memberHash(member);
  return first.toString(16).padStart(8, '0') + second.toString(16).padStart(8, '0');
}
