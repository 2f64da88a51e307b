/**
 * How can a real `Response` be cheap? `new Response(bytes)` makes a stream at once (17 µs, half a call). This one is a
 * real `Response` too (`instanceof`, brand and all), made over no body, whose readers go to the reply body directly;
 * the stream is made when `body` is read. It is never hollow: `body`, `clone()` and `new Response(r.body)` agree.
 */
import { Readable } from 'node:stream';
import { ReadableStream } from 'node:stream/web';
import { meshErrorOf } from '../core/errors.ts';
import type { ParsedHeaders } from '../core/parsed-headers.ts';
import type { ReplyBody } from '../core/reply.ts';
import { bodyStream } from './body-readers.ts';
import { ownReason } from './caller-reason.ts';
import { ReplyHeaders } from './reply-headers.ts';

/** What a response is made from. */
export interface ResponseParts {
  readonly status: number;
  readonly statusText: string;
  readonly headers: ParsedHeaders;
  /** `null` for a reply that has none by definition (HEAD, 204, 304). */
  readonly body: ReplyBody | null;
  /** What the reply answers. */
  readonly request: { readonly hrefWithoutFragment: string; readonly hops: number };
}

/** The statuses that `new Response` accepts; others (999) are only in our own getter. */
const constructible = (status: number) => status >= 200 && status <= 599;

// The type of `Response` declares its members as data properties, which a class cannot override with accessors.
const PlatformResponse = Response as unknown as new (body: null, init: { status: number } | undefined) => object;

/** The `Response` of `mesh.fetch`. */
export class MeshResponse extends PlatformResponse {
  // Truly private, so that the members of a response are those of `Response`.
  readonly #parts: ResponseParts;
  #replyHeaders: ReplyHeaders | undefined = undefined;
  /** The web stream, once somebody asked for it. From then on it is the body. */
  #bodyStream: ReadableStream<Uint8Array> | undefined = undefined;
  #consumed = false;

  constructor(parts: ResponseParts) {
    super(null, constructible(parts.status) ? { status: parts.status } : undefined);
    this.#parts = parts;
  }

  get status(): number {
    return this.#parts.status;
  }

  get ok(): boolean {
    return this.#parts.status >= 200 && this.#parts.status <= 299;
  }

  get statusText(): string {
    return this.#parts.statusText;
  }

  get headers(): Headers {
    this.#replyHeaders ??= new ReplyHeaders(this.#parts.headers);
    return this.#replyHeaders as unknown as Headers;
  }

  get url(): string {
    return this.#parts.request.hrefWithoutFragment;
  }

  get redirected(): boolean {
    return this.#parts.request.hops > 0;
  }

  get type(): 'basic' {
    return 'basic';
  }

  get bodyUsed(): boolean {
    return this.#consumed || (this.#bodyStream !== undefined && isDisturbed(this.#bodyStream));
  }

  get body(): ReadableStream<Uint8Array> | null {
    if (this.#parts.body === null) return null;
    if (this.#bodyStream === undefined) {
      this.#bodyStream = this.#consumed ? spentStream() : bodyStream(this.#parts.body, terminated);
    }
    return this.#bodyStream;
  }

  async bytes(): Promise<Uint8Array<ArrayBuffer>> {
    return new Uint8Array(await this.take());
  }

  async arrayBuffer(): Promise<ArrayBuffer> {
    return new Uint8Array(await this.take()).buffer;
  }

  async blob(): Promise<Blob> {
    return (await this.typed()).blob();
  }

  async text(): Promise<string> {
    if (!this.direct()) return (await this.rest()).text();
    try {
      return await (this.#parts.body as ReplyBody).text();
    } catch (error) {
      throw terminated(error);
    }
  }

  // biome-ignore lint/suspicious/noExplicitAny: the type that Body.json has
  async json(): Promise<any> {
    if (!this.direct()) return (await this.rest()).json();
    try {
      return await (this.#parts.body as ReplyBody).json();
    } catch (error) {
      throw terminated(error);
    }
  }

  async formData(): Promise<FormData> {
    return (await this.typed()).formData();
  }

  clone(): MeshResponse {
    if (this.bodyUsed) throw new TypeError('Response.clone: Body has already been consumed.');
    if (this.#parts.body === null) return new MeshResponse(this.#parts);
    const [ours, theirs] = (this.body as ReadableStream<Uint8Array>).tee();
    this.#bodyStream = ours;
    const twin = new MeshResponse(this.#parts);
    twin.#bodyStream = theirs;
    return twin;
  }

  /** Whether the reply body can be read without a stream; marks it read. */
  private direct(): boolean {
    if (this.#bodyStream !== undefined || this.#parts.body === null) return false;
    if (this.#consumed) throw new TypeError('Body is unusable: Body has already been read');
    this.#consumed = true;
    return true;
  }

  private async take(): Promise<Uint8Array> {
    if (!this.direct()) return (await this.rest()).bytes();
    try {
      return await (this.#parts.body as ReplyBody).bytes();
    } catch (error) {
      throw terminated(error);
    }
  }

  /** A plain response with all bytes and our content type, for what depends on it. */
  private async typed(): Promise<Response> {
    const type = this.headers.get('content-type');
    return new Response(
      new Uint8Array(await this.take()),
      type === null ? undefined : { headers: { 'content-type': type } },
    );
  }

  /** A plain response over the stream; its constructor refuses one that is locked or disturbed, as fetch does. */
  private async rest(): Promise<Response> {
    if (this.#parts.body === null) return new Response(null);
    const stream = this.#bodyStream as ReadableStream<Uint8Array>;
    if (isDisturbed(stream) || stream.locked) throw new TypeError('Body is unusable: Body has already been read');
    return new Response(stream as unknown as BodyInit);
  }
}

type BodyInit = NonNullable<ConstructorParameters<typeof Response>[0]>;

/** What fetch says of a body that broke; the mesh's error is its cause. The caller's own reason stays what it is. */
function terminated(error: unknown): unknown {
  const own = ownReason(error);
  if (own !== error) return own;
  return error !== undefined && meshErrorOf(error) === error ? new TypeError('terminated', { cause: error }) : error;
}

function isDisturbed(stream: ReadableStream<Uint8Array>): boolean {
  return Readable.isDisturbed(stream as unknown as Readable);
}

/** What `body` is after `text()` and the like: a stream that is locked, as that of a fetched response. */
function spentStream(): ReadableStream<Uint8Array> {
  const stream = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.close();
    },
  });
  stream.getReader();
  return stream;
}
