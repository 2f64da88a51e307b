import type { Call } from '../core/call.ts';
import type { Member } from '../core/member.ts';

/** Members that count with a part of their weight, because others like us count them with the rest. */
export type MemberParts = ReadonlyMap<Member, number>;

/**
 * Which member gets the next attempt? A picker decides; there is one per cluster, and one per subset view of it.
 * What all of them have in common (panic, draining, members that were tried) is in {@link import('./candidates.ts')}.
 */
export interface Picker {
  /** Whom {@link pick} chooses from, since the last {@link rebuild}: empty only without members. */
  readonly candidates: { readonly members: readonly Member[] };
  /**
   * Whom it gives when a call has tried the {@link candidates}, these included; where they are others. They get no first
   * attempts, so they are no room for those that wait.
   */
  readonly repeatCandidates?: { readonly members: readonly Member[] } | undefined;
  /**
   * Takes the members anew: after any change of the set, or of a member's `healthy`, weight or state. Costs O(n).
   * The array is read, not kept.
   *
   * @param parts how much of its weight a member counts with, above 0 and at most 1; those that are missing with all of it.
   */
  rebuild(members: readonly Member[], parts?: MemberParts): void;
  /**
   * The member for the next attempt; `undefined` only when there are no members. Its cost does not grow with their
   * number (round robin by weights that differ: with its logarithm).
   *
   * @param call what is to be sent; `undefined` for a command or a probe.
   * @param tried members that get it only when no other usable one is left.
   * @param now the instant, of the mesh's clock.
   */
  pick(call: Call | undefined, tried: ReadonlySet<Member>, now: number): Member | undefined;
  /**
   * For balancers that go by key: a number in [0, 1) that is the same for calls of one key, `undefined` for a call without
   * one. What is decided about a call before {@link pick} is decided by it, not by chance.
   */
  readonly pointOf?: ((call: Call) => number | undefined) | undefined;
  /**
   * `member` has one attempt more (`by` 1) or less (-1); its `inFlight` says so already. Only balancers that count all
   * attempts have it; they are told of every member of the service, whether they know it or not.
   */
  readonly loadChanged?: ((member: Member, by: 1 | -1) => void) | undefined;
  /**
   * `member` has reported its own load at the instant `now`; its {@link Member.load} knows already. As with `loadChanged`,
   * any member of the service.
   */
  readonly loadReported?: ((member: Member, now: number) => void) | undefined;
}
