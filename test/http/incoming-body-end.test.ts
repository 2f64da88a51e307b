import { describe, expect, it } from 'vitest';
import { isMeshError } from '../../src/core/errors.ts';
import { completeBody, manualBody, recordingSink } from './manual-control.ts';

const kib = 1024;

describe('IncomingBody.dump', () => {
  it('reads a small rest and keeps the connection', async () => {
    const { body, push, asked } = manualBody();
    push('x'.repeat(10));
    const dumped = body.dump();
    push('x'.repeat(10));
    body.finish();
    await dumped;
    expect(asked).toEqual([]);
  });

  it('reads up to the limit in all, what is there already counted once', async () => {
    const { body, push, asked } = manualBody();
    push('x'.repeat(40 * kib));
    push('x'.repeat(40 * kib));
    const dumped = body.dump(128 * kib);
    push('x'.repeat(48 * kib));
    body.finish();
    await dumped;
    expect(asked).toEqual(['pause', 'resume']);
  });

  it('gives up a body that turns out to be larger', async () => {
    const { body, push, asked, ends } = manualBody();
    push('x'.repeat(5));
    const dumped = body.dump(10);
    push('x'.repeat(5));
    expect(asked).toEqual([]);
    push('x');
    await dumped;
    expect(asked).toEqual(['abort']);
    expect(isMeshError(ends[0], 'INMESH_ABORTED')).toBe(true);
  });

  it('gives up at once when more is there already', async () => {
    const { body, push, asked } = manualBody();
    push('x'.repeat(11));
    await body.dump(10);
    expect(asked).toEqual(['abort']);
    expect(body.used).toBe(true);
  });

  it('resolves when the body fails, and does nothing when it was read', async () => {
    const failing = manualBody();
    const dumped = failing.body.dump();
    failing.body.fail(new Error('broken'));
    await dumped;
    const read = completeBody('x');
    await read.text();
    await read.dump();
  });
});

describe('IncomingBody.destroy', () => {
  it('ends the connection and gives its reader the reason', async () => {
    const { body, asked, ends } = manualBody();
    const text = body.text();
    const reason = new Error('enough');
    body.destroy(reason);
    await expect(text).rejects.toBe(reason);
    expect(asked).toEqual(['abort']);
    expect(ends).toEqual([reason]);
  });

  it('keeps a reason that is null', async () => {
    const { body } = manualBody();
    const text = body.text();
    body.destroy(null);
    await expect(text).rejects.toBe(null);
  });

  it('tells a sink that is full of a body that has arrived', () => {
    const { body, push, asked } = manualBody();
    const sink = recordingSink(() => false);
    body.forward(sink);
    push('a');
    push('b');
    body.finish();
    body.destroy(new Error('enough'));
    body.resume();
    expect(sink.told).toEqual(['a', 'error enough']);
    expect(asked).not.toContain('abort');
  });
});
