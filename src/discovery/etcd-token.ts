/**
 * Who is the mesh for etcd? A user with a token that was got for his password. One token serves all requests, and those
 * that need a new one at the same time wait for the same: checking a password costs a member 100 ms of its processor.
 */
import type { Clock } from '../core/clock.ts';
import { EtcdRefusal, etcdCodes, etcdError, refusalOfReply } from './etcd-errors.ts';
import type { RegistryClient } from './registry-client.ts';

/** Whose token. */
export interface EtcdTokenOptions {
  /** Of the registry, for error messages. */
  readonly name: string;
  readonly user: string;
  readonly password: string;
  readonly client: RegistryClient;
  readonly clock: Clock;
}

/** Headers of a request; empty where etcd asks for no token. */
export type TokenHeaders = Readonly<Record<string, string>>;

/** How long a refused password is not tried again, in ms. */
const refusedForMs = 1_000;

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
   * @param background whether the process may exit before they are there.
   * @throws MeshError `INMESH_REGISTRY` when no member answers, or the password is wrong.
   */
  headers(background: boolean): Promise<TokenHeaders> {
    if (this.options.clock.now() >= this.tryAgainAt) this.reset();
    this.asked ??= this.ask(background);
    return this.asked;
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

  private async ask(background: boolean): Promise<TokenHeaders> {
    try {
      this.known = await this.authenticate(background);
      return this.known;
    } catch (error) {
      if (error instanceof EtcdRefusal) this.tryAgainAt = this.options.clock.now() + refusedForMs;
      else this.reset();
      throw etcdError(this.options.name, `user ${this.options.user}`, error);
    }
  }

  private async authenticate(background: boolean): Promise<TokenHeaders> {
    const { user, password, client } = this.options;
    const body = JSON.stringify({ name: user, password });
    const { status, text } = await client.send({ method: 'POST', path: '/v3/auth/authenticate', body, background });
    if (status === 200) return { authorization: tokenOf(text) };
    const refusal = refusalOfReply(status, text);
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
