import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { Bench } from './bench.ts';

const bench = new Bench();
afterEach(() => bench.close());

const url = 'http://reviews/';
const digest = (algorithm: string, text = 'text') =>
  `${algorithm}-${createHash(algorithm).update(text).digest('base64')}`;

async function mesh() {
  const { address } = await bench.server(({ url }, response) => {
    if (url === '/moved') response.writeHead(302, { location: '/' }).end();
    else response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync('text'));
  });
  return bench.mesh([address]);
}

describe('integrity', () => {
  it.each([
    ['a digest of the decoded body', digest('sha256')],
    ['one of several', `${digest('sha384', 'other')} ${digest('sha384')}?option`],
    ['the strongest, whatever the weaker say', `${digest('sha256', 'other')}\t${digest('sha512')}`],
    ['base64 of the other alphabet without padding', digest('sha256').replace(/=+$/, '')],
    ['nothing that can be read', 'md5-abc sha256'],
  ])('lets a body pass that has %s', async (_name, integrity) => {
    const { fetch } = await mesh();
    expect(await (await fetch(url, { integrity })).text()).toBe('text');
    expect(await (await fetch(new Request(`${url}moved`, { integrity }))).text()).toBe('text');
  });

  it.each([
    ['another digest', digest('sha512', 'other'), url],
    ['only a weaker one that is right', `${digest('sha512', 'other')} ${digest('sha256')}`, url],
    ['another digest, after a redirect', digest('sha256', 'other'), `${url}moved`],
  ])('refuses a body that has %s', async (_name, integrity, where) => {
    const { fetch } = await mesh();
    await expect(fetch(where, { integrity })).rejects.toMatchObject({
      name: 'TypeError',
      message: 'fetch failed',
      cause: { code: 'INMESH_INTEGRITY' },
    });
  });

  it('refuses a reply without a body', async () => {
    const { fetch } = await mesh();
    await expect(fetch(url, { method: 'HEAD', integrity: digest('sha256', '') })).rejects.toMatchObject({
      cause: { code: 'INMESH_INTEGRITY' },
    });
  });
});
