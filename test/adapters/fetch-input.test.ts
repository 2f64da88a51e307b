import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readFetchInput } from '../../src/adapters/fetch-input.ts';

const url = 'http://reviews/1';

/** The headers as `Headers`, without what is added to every request. */
function callersHeaders(list: readonly string[]): [string, string][] {
  const added = new Set(['accept', 'accept-encoding', 'user-agent']);
  const pairs: [string, string][] = [];
  for (let index = 0; index < list.length; index += 2) {
    if (!added.has(list[index] as string)) pairs.push([list[index] as string, list[index + 1] as string]);
  }
  return pairs;
}

/** What of a request can be compared with that of a platform `Request`. */
async function comparable(input: string | URL | Request, init?: RequestInit) {
  const { method, headers, body, redirect, url: target } = readFetchInput(input, init);
  const blob = body instanceof Blob && body.type.startsWith('multipart') ? undefined : body;
  return {
    url: target,
    method,
    redirect,
    headers: Object.fromEntries(callersHeaders(headers)),
    body: blob === undefined ? 'a form' : body === null ? null : await new Response(body as never).text(),
  };
}

async function expected(input: string | URL | Request, init?: RequestInit) {
  const request = new Request(input instanceof Request ? input.clone() : input, init);
  const { method, redirect, url: target } = request;
  const isForm = request.headers.get('content-type')?.startsWith('multipart') === true;
  return {
    url: target,
    method,
    redirect,
    headers: Object.fromEntries(request.headers),
    body: isForm ? 'a form' : request.body === null ? null : await request.text(),
  };
}

const bodies: [string, () => RequestInit['body']][] = [
  ['a string', () => 'aä'],
  ['an empty string', () => ''],
  ['bytes', () => Buffer.from('abc')],
  ['a view', () => new Uint8Array(Buffer.from('xabcx').buffer, 0, 2)],
  ['a DataView', () => new DataView(new Uint8Array([97, 98]).buffer)],
  ['an ArrayBuffer', () => new Uint8Array([97, 98]).buffer],
  ['a Blob', () => new Blob(['abc'], { type: 'text/css' })],
  ['a Blob without type', () => new Blob(['abc'])],
  ['URLSearchParams', () => new URLSearchParams({ a: 'b c', d: 'ä' })],
  ['a stream', () => new Blob(['abc']).stream() as never],
  ['a number', () => 5 as never],
  ['an object', () => ({}) as never],
];

describe('readFetchInput agrees with Request', () => {
  it.each(bodies)('on %s as body', async (_name, make) => {
    const init = () => ({ method: 'POST', body: make() ?? null, duplex: 'half' }) as RequestInit;
    expect(await comparable(url, init())).toEqual(await expected(url, init()));
    const typed = () => ({ ...init(), headers: { 'Content-Type': 'a/b' } });
    expect(await comparable(url, typed())).toEqual(await expected(url, typed()));
    const wrapped = () => new Request(url, init());
    expect(await comparable(wrapped())).toEqual(await expected(wrapped()));
    const other = () => ({ body: 'other' });
    expect(await comparable(wrapped(), other())).toEqual(await expected(wrapped(), other()));
  });

  it('on a form as body, but for its boundary', async () => {
    const form = new FormData();
    form.append('a', '1');
    const { body, headers } = readFetchInput(url, { method: 'POST', body: form });
    const type = callersHeaders(headers)[0]?.[1] as string;
    expect([...(await new Response(body as Blob, { headers: { 'content-type': type } }).formData())]).toEqual([
      ['a', '1'],
    ]);
  });

  it.each<[string, RequestInit]>([
    ['nothing', {}],
    ['a method', { method: 'delete' }],
    ['a method that is not normalised', { method: 'patch' }],
    ['manual redirects', { redirect: 'manual' }],
    ['an object of headers', { headers: { A: '1', b: '2' } }],
    ['headers with two spellings', { headers: { A: '1', a: '2' } }],
    ['headers with blanks', { headers: { a: '  1  ' } }],
    ['headers that are not ASCII', { headers: { a: 'ü' } }],
    ['an empty value', { headers: { a: '' } }],
    [
      'pairs of headers',
      {
        headers: [
          ['A', '1'],
          ['a', '2'],
        ],
      },
    ],
    ['Headers', { headers: new Headers({ A: '1' }) }],
    ['an object without prototype', { headers: Object.assign(Object.create(null), { a: '1' }) }],
    ['numbers as values', { headers: { a: 1 } as never }],
  ])('on an init with %s', async (_name, init) => {
    expect(await comparable(url, init)).toEqual(await expected(url, init));
    expect(await comparable(new Request('http://other/', { method: 'PUT', headers: { c: '3' } }), init)).toEqual(
      await expected(new Request('http://other/', { method: 'PUT', headers: { c: '3' } }), init),
    );
  });

  it.each<[string, unknown, RequestInit?]>([
    ['a URL', new URL('http://Reviews/a b?c#d')],
    ['an object with toString', { toString: () => 'http://reviews/x' }],
  ])('on %s as input', (_name, input) => {
    const target = readFetchInput(input as string, undefined).url;
    expect(new URL(target).href).toBe(new Request(input as string).url);
  });

  it.each<[string, string | Request, RequestInit]>([
    ['a method that is none', url, { method: 'a b' }],
    ['CONNECT', url, { method: 'connect' }],
    ['TRACE', url, { method: 'TRACE' }],
    ['GET with a body', url, { body: 'x' }],
    ['HEAD with an empty body', url, { method: 'HEAD', body: '' }],
    ['GET with the body of a request', new Request(url, { method: 'POST', body: 'x' }), { method: 'GET' }],
    ['a stream without duplex', url, { method: 'POST', body: new Blob(['x']).stream() as never }],
    ['a redirect mode that is none', url, { redirect: 'maybe' as never }],
    ['a header name that is none', url, { headers: { 'a b': '1' } }],
    ['a header value that is none', url, { headers: { a: 'x\ny' } }],
    ['headers that are null', url, { headers: null as never }],
  ])('in refusing %s', (_name, input, init) => {
    expect(() => new Request(input, init)).toThrow(TypeError);
    expect(() => readFetchInput(input, init)).toThrow(TypeError);
  });

  it('in refusing a body that was read, or that somebody reads', async () => {
    const read = new Request(url, { method: 'POST', body: 'x' });
    await read.text();
    expect(() => readFetchInput(read, undefined)).toThrow(TypeError);
    const locked = new Request(url, { method: 'POST', body: 'x' });
    locked.body?.getReader();
    expect(() => readFetchInput(locked, undefined)).toThrow(TypeError);
    const stream = new Blob(['x']).stream();
    stream.getReader();
    expect(() => readFetchInput(url, { method: 'POST', body: stream as never, duplex: 'half' } as never)).toThrow(
      TypeError,
    );
  });

  it('on any plain headers', () => {
    const name = fc.constantFrom('a', 'A', 'b', 'x-y', 'content-type');
    const value = fc.string({ maxLength: 4 });
    fc.assert(
      fc.property(fc.dictionary(name, value), (headers) => {
        let wanted: [string, string][] | undefined;
        try {
          wanted = [...new Headers(headers)];
        } catch {
          expect(() => readFetchInput(url, { headers })).toThrow(TypeError);
          return;
        }
        expect(callersHeaders(readFetchInput(url, { headers }).headers).sort()).toEqual(wanted.sort());
      }),
      { numRuns: 500 },
    );
  });
});

describe('the signal of a request', () => {
  const { signal } = new AbortController();
  const request = new Request(url, { signal });

  it('is that of the init, of the request, or none', () => {
    const other = new AbortController().signal;
    expect(readFetchInput(url, undefined).signal).toBeUndefined();
    expect(readFetchInput(url, { signal }).signal).toBe(signal);
    expect(readFetchInput(url, { signal: null }).signal).toBeUndefined();
    expect(readFetchInput(request, undefined).signal).toBe(request.signal);
    expect(readFetchInput(request, { signal: other }).signal).toBe(other);
    expect(readFetchInput(request, { signal: null }).signal).toBeUndefined();
  });
});

describe('what is added to a request', () => {
  it('is what is missing', () => {
    const { headers } = readFetchInput(url, { headers: { accept: 'a/b', 'User-Agent': 'mine' } });
    expect(headers).toEqual(['accept', 'a/b', 'user-agent', 'mine', 'accept-encoding', 'gzip, deflate, br, zstd']);
  });

  it('is no wish for compression when a part of the body is asked for', () => {
    const { headers } = readFetchInput(url, { headers: { range: 'bytes=0-1' } });
    expect(headers[headers.indexOf('accept-encoding') + 1]).toBe('identity');
    expect(headers.filter((part) => part === 'accept-encoding')).toHaveLength(1);
  });

  it('leaves later changes of the bytes to the caller', async () => {
    const bytes = Buffer.from('abc');
    const { body } = readFetchInput(url, { method: 'POST', body: bytes });
    bytes.fill(0);
    expect(String(Buffer.from(body as Uint8Array))).toBe('abc');
  });
});
