/**
 * What if the member that is asked first is frozen? Then whatever may be asked twice is asked of the next one, soon: a
 * range, a lease, a key of our own, a password. Whatever may not is sent once, and turns from a member that is silent
 * for what comes after it.
 */
import type { Clock } from '../../core/clock.ts';
import { MeshError } from '../../core/errors.ts';
import type { RegistryClient, RegistryRequest } from '../remote/registry-client.ts';
import { isConnectError } from '../remote/registry-connector.ts';
import { type EtcdRefusal, refusalOfReply } from './etcd-errors.ts';

/** A request to one member after the other. */
export interface MembersRequest extends RegistryRequest {
  /** The instant at which all of it ends. */
  readonly endsAt: number;
  /** So many members are asked; 1 for what must not be sent twice. */
  readonly members: number;
}

/** What a member said. */
export interface MemberReply {
  readonly host: string;
  readonly text: string;
  /** Undefined for a success. */
  readonly refusal: EtcdRefusal | undefined;
}

/** A member that is well answers within this, in ms, unless there is an election: then the last one has more time. */
const firstLimitMs = 1_000;

/**
 * Sends a request to the preferred member, and to the next one while there is no answer or an answer that another member
 * would not give.
 *
 * @throws as `RegistryClient.send`.
 */
export async function askMembers(client: RegistryClient, clock: Clock, request: MembersRequest): Promise<MemberReply> {
  const { endsAt, members, ...rest } = request;
  for (let tries = 1; ; tries++) {
    const isLast = tries >= members;
    const leftMs = Math.max(1, endsAt - clock.now());
    const timeoutMs = isLast ? leftMs : Math.min(firstLimitMs, leftMs / 2);
    try {
      const { host, status, text } = await client.send({ ...rest, timeoutMs });
      if (status === 200) return { host, text, refusal: undefined };
      const refusal = refusalOfReply(status, text);
      const isUnavailable = refusal.isUnavailable || status >= 500;
      if (isUnavailable) client.rotate(host);
      if (isLast || !isUnavailable) return { host, text, refusal };
    } catch (error) {
      if (isLast || request.signal?.aborted === true || !isSilence(error)) throw error;
    }
  }
}

/** Without a connection, all members have been tried already. */
function isSilence(error: unknown): boolean {
  return error instanceof MeshError && error.code === 'INMESH_REGISTRY' && !isConnectError(error.cause);
}
