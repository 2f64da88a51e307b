import { errors } from 'undici';
import { describe, expect, it } from 'vitest';
import { isRefusal, isRewindable, sentOnce } from '../../src/transport/refusal.ts';

describe('isRefusal', () => {
  it.each<[string, unknown, boolean]>([
    ['REFUSED_STREAM by its number', Object.assign(new Error('x'), { http2ErrorCode: 7 }), true],
    [
      'REFUSED_STREAM by its name',
      Object.assign(new Error('Stream closed with error code NGHTTP2_REFUSED_STREAM'), {
        code: 'ERR_HTTP2_STREAM_ERROR',
      }),
      true,
    ],
    ['a GOAWAY', new errors.InformationalError('HTTP/2: "GOAWAY" frame received with code 0'), true],
    ['a GOAWAY of an error', new errors.SocketError('HTTP/2: "GOAWAY" frame received with code 2'), true],
    ['another reset', Object.assign(new Error('x'), { http2ErrorCode: 8 }), false],
    ['a text that merely names a GOAWAY', new Error('the server said: HTTP/2: "GOAWAY" frame received'), false],
    ['a lost connection', new errors.SocketError('other side closed'), false],
    ['no error', undefined, false],
  ])('of %s', (_name, error, refused) => {
    expect(isRefusal(error)).toBe(refused);
  });
});

describe('sentOnce', () => {
  it.each<[string, string | Uint8Array | Blob | null, string]>([
    ['a string', 'aä', 'aä'],
    ['bytes', Buffer.from('abc'), 'abc'],
    ['a Blob', new Blob(['abc']), 'abc'],
    ['nothing', null, ''],
  ])('gives all of %s, as a body that cannot be rewound', async (_name, body, text) => {
    expect(isRewindable(body)).toBe(true);
    const once = sentOnce(body);
    expect(isRewindable(once)).toBe(false);
    let read = '';
    for await (const chunk of once) read += Buffer.from(chunk);
    expect(read).toBe(text);
  });
});
