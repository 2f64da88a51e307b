/**
 * How is etcd asked? By POST, in JSON, through the gateway that each member has beside gRPC. With a user there is a
 * token, which members forget after some minutes without a request, and when they restart: then another one is got,
 * once a request.
 */
import type { Clock } from '../../core/clock.ts';
import { RegistryClient, type RegistryRequest } from '../remote/registry-client.ts';
import type { RegistryTls } from '../remote/registry-connector.ts';
import { type EtcdRefusal, etcdError, refusalOfReply } from './etcd-errors.ts';
import { askMembers } from './etcd-members.ts';
import { EtcdToken } from './etcd-token.ts';
import { type EtcdHeader, notEtcd, revisionOf } from './etcd-wire.ts';

/** How a gateway is reached. */
export interface EtcdGatewayOptions {
  /** Of the registry, for error messages; without secrets. */
  readonly name: string;
  /** `host:port` of the members. */
  readonly hosts: readonly string[];
  /** Undefined for cleartext. */
  readonly tls?: RegistryTls | undefined;
  /** Undefined where etcd asks for none. */
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  readonly clock: Clock;
}

/** What every request has. */
export interface EtcdRequest extends Pick<RegistryRequest, 'signal' | 'background' | 'timeoutMs'> {
  /** The key, or what else it is about, for error messages. */
  readonly what: string;
  /** Whether another member is asked when one does not answer: nothing changes when it is done twice. Default false. */
  readonly isRepeatable?: boolean;
}

/** What a member answered. */
export type EtcdAnswer<T> =
  | { readonly host: string; readonly message: T; readonly refusal?: never }
  | { readonly host: string; readonly refusal: EtcdRefusal };

/** A reply that comes in parts. */
export interface EtcdParts {
  readonly host: string;
  readonly body: AsyncIterable<Buffer>;
}

/** Requests that need no stream wait for each other on so many connections to a member. */
const requestConnections = 8;
/** A request may take this long, in ms, with the wait for a token; an election takes two seconds. */
const defaultTimeoutMs = 5_000;

/** The gateways of the members of one cluster. */
export class EtcdGateway {
  readonly name: string;
  private readonly requests: RegistryClient;
  /** Streams have a member of their own, so that what is asked beside them tells about that member. */
  private readonly streams: RegistryClient;
  private readonly token: EtcdToken | undefined;
  private readonly clock: Clock;
  private readonly members: number;

  constructor({ user, password, ...options }: EtcdGatewayOptions) {
    const { name, clock } = options;
    this.name = name;
    this.clock = clock;
    this.members = options.hosts.length;
    this.requests = new RegistryClient({ ...options, connections: requestConnections });
    this.streams = new RegistryClient(options);
    if (user !== undefined && password !== undefined) {
      this.token = new EtcdToken({ name, user, password, client: this.requests, members: this.members, clock });
    }
  }

  /**
   * Sends a message and reads the answer.
   *
   * @throws MeshError `INMESH_REGISTRY` when no member answers, or one refuses; {@link EtcdRefusal} is the cause then.
   */
  async post<T>(path: string, message: unknown, request: EtcdRequest): Promise<T> {
    const answer = await this.ask<T>(this.requests, path, message, request);
    if (answer.refusal !== undefined) throw etcdError(this.name, request.what, answer.refusal);
    return answer.message;
  }

  /**
   * Asks the member that streams come from.
   *
   * @throws MeshError `INMESH_REGISTRY` when none answers.
   */
  askBesideStreams<T>(path: string, message: unknown, request: EtcdRequest): Promise<EtcdAnswer<T>> {
    return this.ask(this.streams, path, message, request);
  }

  /**
   * Begins a stream.
   *
   * @throws as {@link post}.
   */
  async stream(path: string, body: string, request: EtcdRequest): Promise<EtcdParts> {
    const { what, timeoutMs = defaultTimeoutMs, signal, background = false } = request;
    const { clock } = this;
    try {
      const endsAt = clock.now() + timeoutMs;
      const headers = {
        ...(await this.token?.headers({ background, signal, endsAt })),
        // Else a member that has lost the others keeps a stream open and silent.
        'grpc-metadata-hasleader': 'true',
      };
      const leftMs = Math.max(1, endsAt - clock.now());
      const rest = { signal, background, timeoutMs: leftMs };
      const stream = await this.streams.stream({ method: 'POST', path, body, headers, ...rest });
      const { host, status } = stream;
      if (status === 200) return { host, body: stream.body };
      const parts: Buffer[] = [];
      for await (const part of stream.body) parts.push(part);
      throw this.refused(this.streams, host, status, Buffer.concat(parts).toString('utf8'));
    } catch (error) {
      throw request.signal?.aborted === true ? error : etcdError(this.name, what, error);
    }
  }

  /** A stream from this member ended with a refusal: the next one may come from another member. */
  turnFrom(host: string): void {
    this.streams.rotate(host);
  }

  /** Ends the streams. */
  closeStreams(): Promise<void> {
    return this.streams.close();
  }

  /** Ends everything under way. */
  async close(): Promise<void> {
    await Promise.all([this.requests.close(), this.streams.close()]);
  }

  private async ask<T>(
    client: RegistryClient,
    path: string,
    message: unknown,
    request: EtcdRequest,
  ): Promise<EtcdAnswer<T>> {
    const { what, isRepeatable = false, timeoutMs = defaultTimeoutMs, signal, background = false } = request;
    const body = JSON.stringify(message);
    const endsAt = this.clock.now() + timeoutMs;
    const members = isRepeatable ? this.members : 1;
    const asked = { method: 'POST', path, body, signal, background, endsAt, members } as const;
    try {
      for (let isFirst = true; ; isFirst = false) {
        const headers = (await this.token?.headers({ background, signal, endsAt })) ?? {};
        const { host, text, refusal } = await askMembers(client, this.clock, { ...asked, headers });
        if (refusal === undefined) return { host, message: this.read(client, path, host, text) as T };
        if (!isFirst || this.token === undefined || !refusal.isOfToken) return { host, refusal };
        this.token.forget(headers);
      }
    } catch (error) {
      throw request.signal?.aborted === true ? error : etcdError(this.name, what, error);
    }
  }

  private refused(client: RegistryClient, host: string, status: number, text: string): EtcdRefusal {
    const refusal = refusalOfReply(status, text);
    // It has no leader, or something else than etcd answers in its place.
    if (refusal.isUnavailable || status >= 500) client.rotate(host);
    return refusal;
  }

  /** Something else may answer in the place of one member: the next request goes to another one. */
  private read(client: RegistryClient, path: string, host: string, text: string): object {
    try {
      return messageOf(path, text);
    } catch (error) {
      client.rotate(host);
      throw error;
    }
  }
}

/** @throws Error for what is no reply of etcd. Replies about keys have a header with a revision. */
function messageOf(path: string, text: string): object {
  const message = parsed(text);
  if (typeof message !== 'object' || message === null) throw notEtcd();
  if (path.startsWith('/v3/kv/')) revisionOf((message as { header?: EtcdHeader }).header?.revision);
  return message;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The parser would quote it.
    throw notEtcd();
  }
}
