/**
 * Who is the mesh for etcd? A user with a token that was got for his password. One token serves all requests, and those
 * that need a new one at the same time wait for the same: checking a password costs a member 100 ms of its processor.
 */
import type { Clock } from '../../core/clock.ts';
import type { RegistryClient } from '../remote/registry-client.ts';
import { EtcdRefusal, etcdCodes, etcdError } from './etcd-errors.ts';
import { askMembers } from './etcd-members.ts';

/** Whose token. */
export interface EtcdTokenOptions {
  /** Of the registry, for error messages. */
  readonly name: string;
  readonly user: string;
  readonly password: string;
  readonly client: RegistryClient;
  /** How many there are. */
  readonly members: number;
  readonly clock: Clock;
}

/** Who waits for a token. */
export interface TokenWait {
  /** Whether the process may exit before it is there. */
  readonly background: boolean;
  /** The instant at which he waits no more. */
  readonly endsAt: number;
  /** Ends the wait. */
  readonly signal?: AbortSignal | undefined;
}

/** Headers of a request; empty where etcd asks for no token. */
export type TokenHeaders = Readonly<Record<string, string>>;

/** How long a refused password is not tried again, in ms. */
const refusedForMs = 1_000;

/** How long the question may take, in ms, whoever waits for it and for how long. */
const askTimeoutMs = 5_000;

/** The token of a user. */
export class EtcdToken {
  private readonly options: EtcdTokenOptions;
  private asked: Promise<TokenHeaders> | undefined;
  private known: TokenHeaders | undefined;
  /** The instant from which on a refusal is forgotten. */
  private tryAgainAt = Number.POSITIVE_INFINITY;

  constructor(options: EtcdTokenOptions) {
    this.options = options;
  }

  /**
   * The headers that prove who asks.
   *
   * @throws MeshError `INMESH_REGISTRY` when no member answers in time, or the password is wrong; the reason of the
   * signal when that is aborted.
   */
  async headers(wait: TokenWait): Promise<TokenHeaders> {
    wait.signal?.throwIfAborted();
    if (this.known !== undefined) return this.known;
    if (this.options.clock.now() >= this.tryAgainAt) this.reset();
    this.asked ??= this.ask();
    return this.waited(this.asked, wait);
  }

  /**
   * Forgets the token that a request was refused for, unless another is there already.
   *
   * @param used the headers of that request.
   */
  forget(used: TokenHeaders): void {
    if (used === this.known) this.reset();
  }

  private reset(): void {
    this.asked = undefined;
    this.known = undefined;
    this.tryAgainAt = Number.POSITIVE_INFINITY;
  }

  /** The question is shared, and in the background; what keeps the process alive is the limit of who must not miss it. */
  private async waited(asked: Promise<TokenHeaders>, { background, endsAt, signal }: TokenWait): Promise<TokenHeaders> {
    const { clock, name, user } = this.options;
    const ended = Promise.withResolvers<never>();
    const late = () => ended.reject(etcdError(name, `user ${user}`, new Error('no answer in time')));
    const leftMs = Math.max(0, endsAt - clock.now());
    const timer = background ? clock.setBackgroundTimer(late, leftMs) : clock.setTimer(late, leftMs);
    const abort = () => ended.reject(signal?.reason);
    signal?.addEventListener('abort', abort, { once: true });
    try {
      return await Promise.race([asked, ended.promise]);
    } finally {
      clock.clearTimer(timer);
      signal?.removeEventListener('abort', abort);
    }
  }

  private async ask(): Promise<TokenHeaders> {
    try {
      this.known = await this.authenticate();
      return this.known;
    } catch (error) {
      // What is wrong with a member says nothing about the password.
      if (error instanceof EtcdRefusal && error.isLasting) this.tryAgainAt = this.options.clock.now() + refusedForMs;
      else this.reset();
      throw etcdError(this.options.name, `user ${this.options.user}`, error);
    }
  }

  private async authenticate(): Promise<TokenHeaders> {
    const { user, password, client, clock, members } = this.options;
    const body = JSON.stringify({ name: user, password });
    const endsAt = clock.now() + askTimeoutMs;
    const request = { method: 'POST', path: '/v3/auth/authenticate', body, background: true, endsAt, members } as const;
    const { text, refusal } = await askMembers(client, clock, request);
    if (refusal === undefined) return { authorization: tokenOf(text) };
    // Authentication is not enabled: a user does no harm, and it may be enabled at any time.
    if (refusal.grpcCode === etcdCodes.failedPrecondition) return {};
    throw refusal;
  }
}

function tokenOf(text: string): string {
  // What is no JSON may still hold a token, so the parser's message must not be shown.
  const token = /"token"\s*:\s*"([^"\\]+)"/.exec(text)?.[1];
  if (token === undefined) throw new EtcdRefusal(undefined, 'no token in the reply');
  return token;
}
