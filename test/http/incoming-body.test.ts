import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isMeshError, MeshError } from '../../src/core/errors.ts';
import type { IncomingBody } from '../../src/http/incoming-body.ts';
import { completeBody, manualBody, recordingSink } from './manual-control.ts';

const kib = 1024;

/** Every reader that gives the whole body, as text. */
const readers: Record<string, (body: IncomingBody) => Promise<string>> = {
  bytes: async (body) => (await body.bytes()).toString(),
  text: (body) => body.text(),
  json: async (body) => JSON.stringify(await body.json()),
  stream: (body) => new Response(body.stream() as ReadableStream).text(),
  readable: async (body) => {
    let text = '';
    for await (const chunk of body.readable()) text += chunk;
    return text;
  },
  forward: (body) =>
    new Promise((resolve, reject) => {
      let text = '';
      body.forward({
        data: (chunk) => {
          text += Buffer.from(chunk);
          return true;
        },
        end: () => resolve(text),
        error: reject,
      });
    }),
};

describe.each(Object.entries(readers))('IncomingBody.%s', (_name, read) => {
  it('gives a body that was complete before', async () => {
    expect(await read(completeBody('{"a"', ':1}'))).toBe('{"a":1}');
  });

  it('gives a body that arrives while it is read', async () => {
    const { body, push } = manualBody();
    push('{"a"');
    const text = read(body);
    push(':');
    await Promise.resolve();
    push('1}');
    body.finish();
    expect(await text).toBe('{"a":1}');
  });

  it('gives the error of a body that failed before it was read', async () => {
    const { body, push } = manualBody();
    push('{');
    body.fail(new MeshError('INMESH_RESET', 'broken'));
    await expect(read(body)).rejects.toThrow('broken');
  });

  it('gives the error of a body that fails while it is read', async () => {
    const { body, push } = manualBody();
    const text = read(body);
    push('{');
    body.fail(new MeshError('INMESH_RESET', 'broken'));
    await expect(text).rejects.toThrow('broken');
  });

  it.each(Object.entries(readers))('excludes %s afterwards', async (_other, again) => {
    const body = completeBody('{"a":1}');
    await read(body);
    const second = (async () => again(body))();
    await expect(second).rejects.toSatisfy((error) => isMeshError(error, 'INMESH_BODY_USED'));
  });
});

describe('IncomingBody without a reader', () => {
  it('pauses the connection beyond 64 KiB, and lets it go on once it is read', async () => {
    const { body, asked, push } = manualBody();
    push('x'.repeat(64 * kib));
    expect(asked).toEqual([]);
    push('x');
    push('x');
    expect(asked).toEqual(['pause']);
    const text = body.text();
    expect(asked).toEqual(['pause', 'resume']);
    body.finish();
    expect((await text).length).toBe(64 * kib + 2);
  });

  it('tells its observer of the end once', () => {
    const { body, ends } = manualBody();
    body.finish();
    body.finish();
    body.fail(new Error('late'));
    expect(ends).toEqual([undefined]);
  });

  it('counts bytes, not chunks', () => {
    const { body, push } = manualBody();
    push('äö');
    push('x');
    expect(body.bytesReceived).toBe(5);
  });

  it('ignores what arrives after the end', async () => {
    const { body, push } = manualBody();
    push('a');
    body.finish();
    push('b');
    expect(await body.text()).toBe('a');
  });
});

describe('IncomingBody.forward', () => {
  it('keeps what arrives while the sink is full, and goes on in order', () => {
    const { body, push } = manualBody();
    const sink = recordingSink((chunk) => chunk !== 'b');
    body.forward(sink);
    for (const chunk of ['a', 'b', 'c', 'd']) push(chunk);
    body.finish();
    expect(sink.told).toEqual(['a', 'b']);
    body.resume();
    expect(sink.told).toEqual(['a', 'b', 'c', 'd', 'end']);
  });

  it('keeps the order when the connection delivers within resume', () => {
    const late = ['3', '4'];
    const manual = manualBody(() => {
      for (const chunk of late.splice(0)) manual.push(chunk);
    });
    const sink = recordingSink(() => false);
    manual.push('1');
    manual.push('2');
    manual.body.forward(sink);
    for (let step = 0; step < 4; step++) manual.body.resume();
    expect(sink.told).toEqual(['1', '2', '3', '4']);
  });

  it('gives the sink an error at once, also while it is full', () => {
    const { body, push } = manualBody();
    const sink = recordingSink(() => false);
    body.forward(sink);
    push('a');
    push('b');
    body.fail(new Error('broken'));
    body.resume();
    expect(sink.told).toEqual(['a', 'error broken']);
  });

  it('stops when the sink gives the body up from within data', () => {
    const { body, push, asked } = manualBody();
    push('a');
    push('b');
    const told: string[] = [];
    body.forward({
      data: (chunk) => {
        told.push(String(Buffer.from(chunk)));
        body.destroy(new Error('enough'));
        return true;
      },
      end: () => void told.push('end'),
      error: (error) => void told.push((error as Error).message),
    });
    expect(told).toEqual(['a', 'enough']);
    expect(asked).toEqual(['abort']);
  });

  it('hands on trailers with the end', () => {
    const { body } = manualBody();
    const sink = recordingSink();
    body.forward(sink);
    body.finish([Buffer.from('digest'), Buffer.from('1')]);
    expect(sink.told).toEqual(['enddigest,1']);
    expect(body.rawTrailers).toHaveLength(2);
  });

  it('delivers every byte once and in order, whatever the sizes and pauses', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ minLength: 1, maxLength: 4 }), { maxLength: 30 }),
        fc.infiniteStream(fc.boolean()),
        fc.nat(30),
        (chunks, wants, from) => {
          const { body, push } = manualBody();
          const answers = wants[Symbol.iterator]();
          const sink = recordingSink(() => answers.next().value as boolean);
          chunks.forEach((chunk, index) => {
            if (index === from) body.forward(sink);
            push(chunk);
          });
          if (from >= chunks.length) body.forward(sink);
          body.finish();
          for (let step = 0; step <= chunks.length; step++) body.resume();
          expect(sink.told).toEqual([...chunks, 'end']);
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe('IncomingBody.text', () => {
  it('leaves out a byte order mark, and decodes characters that were cut in two', async () => {
    const bytes = Buffer.from('\uFEFFaä😀');
    const body = manualBody().body;
    for (const byte of bytes) body.push(Buffer.from([byte]));
    body.finish();
    expect(await body.text()).toBe('aä😀');
  });

  it('decodes as the Encoding standard does', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 12 }), async (bytes) => {
        expect(await completeBody(bytes).text()).toBe(new TextDecoder().decode(bytes));
      }),
      { numRuns: 300 },
    );
  });
});
