/**
 * The clients that the mesh serves, as one kind of function: what a case asks of them, all can do.
 */
import { PassThrough, Readable } from 'node:stream';
import { pipeline, request, stream, fetch as undiciFetch } from 'undici';
import type { Mesh } from '../../src/index.ts';

/** What a case sends. */
export interface Sending {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  /** A text, or pieces that are made as they are sent. */
  readonly body?: string | (() => AsyncGenerator<Uint8Array>);
  readonly signal?: AbortSignal;
}

/** What it gets. */
export interface Received {
  readonly status: number;
  readonly headers: Headers;
  /** Reads the body. */
  bytes(): Promise<Uint8Array>;
}

/** One way to send a request into a mesh. */
export interface Client {
  readonly name: string;
  /** Whether content codings are undone. */
  readonly decodes: boolean;
  send(mesh: Mesh, url: string, sending: Sending): Promise<Received>;
}

function initOf({ body, ...rest }: Sending): object {
  return {
    ...rest,
    ...(body === undefined ? undefined : { body: typeof body === 'string' ? body : body() }),
  };
}

function headersOf(headers: Record<string, string | string[] | undefined>): Headers {
  const made = new Headers();
  for (const [name, value] of Object.entries(headers)) {
    for (const one of Array.isArray(value) ? value : [value ?? '']) made.append(name, one);
  }
  return made;
}

async function collect(source: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of source) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function fetching(name: string, send: (mesh: Mesh, url: string, init: object) => Promise<unknown>): Client {
  return {
    name,
    decodes: true,
    send: async (mesh, url, sending) => {
      const response = (await send(mesh, url, { ...initOf(sending), duplex: 'half' })) as Response;
      const bytes = async () => new Uint8Array(await response.arrayBuffer());
      return { status: response.status, headers: new Headers(response.headers), bytes };
    },
  };
}

interface Head {
  readonly status: number;
  readonly headers: Headers;
}

/** The head comes by a callback, which says where the body goes. */
const streamClient: Client = {
  name: 'undici.stream',
  decodes: false,
  send: async (mesh, url, sending) => {
    const body = new PassThrough();
    body.on('error', () => {});
    let onHead!: (head: Head) => void;
    const headed = new Promise<Head>((resolve) => {
      onHead = resolve;
    });
    const options = { ...initOf(sending), method: sending.method ?? 'GET', dispatcher: mesh.dispatcher } as never;
    const ended = stream(url, options, ({ statusCode, headers }) => {
      onHead({ status: statusCode, headers: headersOf(headers as never) });
      return body;
    });
    // After the head a failure is the body's.
    ended.catch(() => {});
    const head = await Promise.race([headed, ended.then(() => headed)]);
    return { ...head, bytes: () => collect(body) };
  },
};

/** What is written is the request body, what is read the reply's. */
const pipelineClient: Client = {
  name: 'undici.pipeline',
  decodes: false,
  send: async (mesh, url, { body = '', ...sending }) => {
    let onHead!: (head: Head) => void;
    const headed = new Promise<Head>((resolve) => {
      onHead = resolve;
    });
    const options = { ...sending, method: sending.method ?? 'GET', dispatcher: mesh.dispatcher } as never;
    const duplex = pipeline(url, options, ({ statusCode, headers, body: reply }) => {
      onHead({ status: statusCode, headers: headersOf(headers as never) });
      return reply;
    });
    const failed = new Promise<never>((_, reject) => duplex.on('error', reject));
    failed.catch(() => {});
    Readable.from(typeof body === 'string' ? [Buffer.from(body)].filter((part) => part.length > 0) : body()).pipe(
      duplex,
    );
    return { ...(await Promise.race([headed, failed])), bytes: () => collect(duplex) };
  },
};

export const clients: readonly Client[] = [
  fetching('mesh.fetch', (mesh, url, init) => mesh.fetch(url, init)),
  fetching('built-in fetch', (mesh, url, init) => fetch(url, { ...init, dispatcher: mesh.dispatcher } as object)),
  fetching('undici.fetch', (mesh, url, init) => undiciFetch(url, { ...init, dispatcher: mesh.dispatcher } as object)),
  {
    name: 'mesh.request',
    decodes: false,
    send: async (mesh, url, sending) => {
      const { statusCode, headers, body } = await mesh.request(url, initOf(sending));
      return { status: statusCode, headers: headersOf(headers), bytes: () => body.bytes() };
    },
  },
  {
    name: 'undici.request',
    decodes: false,
    send: async (mesh, url, sending) => {
      const { statusCode, headers, body } = await request(url, {
        ...initOf(sending),
        dispatcher: mesh.dispatcher,
      } as never);
      return { status: statusCode, headers: headersOf(headers), bytes: () => collect(body) };
    },
  },
  streamClient,
  pipelineClient,
];
