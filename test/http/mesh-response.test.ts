import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { MeshError } from '../../src/core/errors.ts';
import type { ParsedHeaders } from '../../src/core/parsed-headers.ts';
import { MeshResponse, type ResponseParts } from '../../src/http/mesh-response.ts';
import { multipartBlob } from '../../src/http/multipart.ts';
import { completeBody, manualBody } from './manual-control.ts';

const request = { hrefWithoutFragment: 'http://reviews/1', hops: 0 };
const text = '{"a":"ä"}';

function respond(body: ResponseParts['body'], headers: ParsedHeaders = {}, status = 200): Response {
  return new MeshResponse({ status, statusText: 'Fine', headers, body, request }) as unknown as Response;
}

const json = (headers?: ParsedHeaders) =>
  respond(
    completeBody(
      ...(Buffer.from(text)
        .toString('latin1')
        .match(/.{1,3}/g)
        ?.map((part) => Buffer.from(part, 'latin1')) ?? []),
    ),
    headers,
  );

/** Every way to read a body, as text. */
const readers: Record<string, (response: Response) => Promise<string>> = {
  text: (response) => response.text(),
  json: async (response) => JSON.stringify(await response.json()),
  bytes: async (response) => Buffer.from(await response.bytes()).toString(),
  arrayBuffer: async (response) => Buffer.from(await response.arrayBuffer()).toString(),
  blob: async (response) => (await response.blob()).text(),
  body: async (response) => {
    let read = '';
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>)
      read += Buffer.from(chunk).toString('latin1');
    return Buffer.from(read, 'latin1').toString();
  },
  'new Response(body)': (response) => new Response(response.body).text(),
  'a BYOB reader': async (response) => {
    const reader = (response.body as ReadableStream).getReader({ mode: 'byob' });
    let read = '';
    for (;;) {
      const { value, done } = await reader.read(new Uint8Array(4));
      if (done) return Buffer.from(read, 'latin1').toString();
      read += Buffer.from(value).toString('latin1');
    }
  },
};

describe.each(Object.entries(readers))('a body read by %s', (name, read) => {
  it('is all there', async () => {
    expect(await read(json())).toBe(text);
  });

  it('is all there while it arrives', async () => {
    const { body, push } = manualBody();
    const reading = read(respond(body));
    push('{"a":');
    await Promise.resolve();
    push('"ä"}');
    body.finish();
    expect(await reading).toBe(text);
  });

  it('is used afterwards, and every other reader is refused', async () => {
    for (const [other, again] of Object.entries(readers)) {
      const response = json();
      expect(response.bodyUsed).toBe(false);
      await read(response);
      expect(response.bodyUsed).toBe(true);
      // A stream that has ended may be read again: it is empty, as that of a fetched response.
      if (/body|BYOB/i.test(name) && /^body|BYOB/i.test(other)) continue;
      await expect((async () => again(response))(), other).rejects.toThrow(TypeError);
    }
  });

  it('cannot be cloned afterwards', async () => {
    const response = json();
    await read(response);
    expect(() => response.clone()).toThrow(TypeError);
  });

  it('can be cloned before, and of a clone again', async () => {
    const response = json();
    const twin = response.clone();
    const third = twin.clone();
    expect(await Promise.all([read(response), read(twin), read(third)])).toEqual([text, text, text]);
    expect(twin.headers.get('x')).toBe(response.headers.get('x'));
    expect([twin.status, twin.url]).toEqual([200, 'http://reviews/1']);
  });

  it('fails with a TypeError when the connection breaks, and says why', async () => {
    const { body, push } = manualBody();
    const reading = read(respond(body));
    push('{');
    const cause = new MeshError('INMESH_RESET', 'broken');
    body.fail(cause);
    await expect(reading).rejects.toMatchObject({ name: 'TypeError', message: 'terminated', cause });
  });

  it('fails with the reason of the caller when the caller gives up', async () => {
    const { body } = manualBody();
    const reading = read(respond(body));
    const reason = new DOMException('enough', 'AbortError');
    body.destroy(reason);
    await expect(reading).rejects.toBe(reason);
  });
});

describe('a response of the mesh', () => {
  it('is a Response', () => {
    expect(json()).toBeInstanceOf(Response);
    expect(Object.prototype.toString.call(json())).toBe('[object Response]');
  });

  it.each([200, 201, 299, 304, 404, 500, 599, 600, 999])('has the status %i', (status) => {
    const response = respond(completeBody('x'), {}, status);
    expect([response.status, response.ok, response.statusText]).toEqual([status, status < 300, 'Fine']);
    expect([response.type, response.redirected, response.url]).toEqual(['basic', false, 'http://reviews/1']);
  });

  it('gives the same headers and the same body each time it is asked', () => {
    const response = json();
    expect(response.headers).toBe(response.headers);
    expect(response.body).toBe(response.body);
  });

  it('without a body has null for it, and can be read all the same', async () => {
    const response = respond(null, {}, 204);
    expect([response.body, response.bodyUsed]).toEqual([null, false]);
    expect([await response.text(), await response.text()]).toEqual(['', '']);
    expect((await response.blob()).size).toBe(0);
    expect(response.clone().body).toBe(null);
    await expect(response.json()).rejects.toThrow(SyntaxError);
    expect(response.bodyUsed).toBe(false);
  });

  it('has a locked stream for body after text(), as a fetched one', async () => {
    const response = json();
    await response.text();
    expect(response.body?.locked).toBe(true);
  });

  it('refuses text() while its stream is locked', async () => {
    const response = json();
    response.body?.getReader();
    await expect(response.text()).rejects.toThrow(TypeError);
    expect(response.bodyUsed).toBe(false);
  });

  it('can be read when its stream was looked at and released', async () => {
    const response = json();
    response.body?.getReader().releaseLock();
    expect(await response.text()).toBe(text);
  });

  it('gives the connection up when its stream is cancelled', async () => {
    const { body, asked } = manualBody();
    await respond(body).body?.cancel('enough');
    expect(asked).toEqual(['abort']);
  });

  it('gives independent bytes: what the caller does to them is his business', async () => {
    const bytes = Buffer.from('abc');
    const response = respond(completeBody(bytes));
    (await response.bytes()).fill(0);
    expect(String(bytes)).toBe('abc');
  });

  it.each(['text/html; charset=UTF-8', 'text/html;charset=utf-8', 'TEXT/HTML', '', 'nonsense', 'a/b; c="d e"'])(
    'has the type %j for its blob that fetch gives',
    async (type) => {
      const fetched = new Response('x', { headers: { 'content-type': type } });
      expect((await respond(completeBody('x'), { 'content-type': type }).blob()).type).toBe(
        (await fetched.blob()).type,
      );
    },
  );

  it('reads forms of both types', async () => {
    const form = new FormData();
    form.append('a', '1');
    form.append('f', new Blob(['x'], { type: 'text/plain' }), 'f.txt');
    const blob = multipartBlob(form);
    const multipart = respond(completeBody(await blob.bytes()), { 'content-type': blob.type });
    const read = await multipart.formData();
    expect([read.get('a'), await (read.get('f') as File).text(), (read.get('f') as File).name]).toEqual([
      '1',
      'x',
      'f.txt',
    ]);
    const encoded = respond(completeBody('a=1&b=%C3%A4'), { 'content-type': 'application/x-www-form-urlencoded' });
    expect([...(await encoded.formData())]).toEqual([
      ['a', '1'],
      ['b', 'ä'],
    ]);
    await expect(respond(completeBody('x'), { 'content-type': 'text/plain' }).formData()).rejects.toThrow(TypeError);
  });

  it('passes through what takes a Response or a stream', async () => {
    const piped = json().body?.pipeThrough(new TextDecoderStream() as never) as unknown as AsyncIterable<string>;
    let read = '';
    for await (const part of piped) read += part;
    expect(read).toBe(text);
    const copy = new Response(json().body, json({ a: '1' }));
    expect([copy.status, copy.headers.get('a'), await copy.text()]).toEqual([200, '1', text]);
  });

  it('says that it was redirected', () => {
    const parts = {
      status: 200,
      statusText: '',
      headers: {},
      body: null,
      request: { hrefWithoutFragment: 'http://a/', hops: 1 },
    };
    expect(new MeshResponse(parts).redirected).toBe(true);
  });
});

it('shows a response and its headers to console.log as fetch does, and nothing else', () => {
  const response = json({ 'content-type': 'application/json' });
  expect(Object.keys(response)).toEqual([]);
  expect(Object.keys(response.headers)).toEqual([]);
  expect(inspect(response.headers)).toBe(inspect(new Headers({ 'content-type': 'application/json' })));
  expect(inspect(response)).toContain("'content-type': 'application/json'");
});
