import { describe, expect, it } from 'vitest';
import { MeshError } from '../../src/core/errors.ts';
import { failure, ignored, type Outcome, success } from '../../src/core/outcome.ts';
import { IncomingReply } from '../../src/http/incoming-reply.ts';
import { madeReply, replyOf } from '../../src/http/reply-of.ts';

const control = { pause() {}, resume() {}, abort() {} };

function reply(outcome: Outcome = success, headers: Record<string, string | string[]> = {}) {
  return new IncomingReply(200, 'OK', headers, undefined, outcome, control);
}

describe('IncomingReply.onEnd', () => {
  it('calls every listener once, in order, when the body ends', () => {
    const one = reply();
    const told: unknown[] = [];
    for (const name of ['a', 'b', 'c']) one.onEnd((final) => told.push(name, final));
    expect(told).toEqual([]);
    one.body.finish();
    one.body.fail(new Error('late'));
    expect(told).toEqual(['a', success, 'b', success, 'c', success]);
  });

  it('calls a listener at once that comes late', () => {
    const one = reply(failure('status'));
    one.body.finish();
    const told: Outcome[] = [];
    one.onEnd((final) => told.push(final));
    expect(told).toEqual([failure('status')]);
  });

  it.each<[string, Outcome, unknown, Outcome]>([
    ['a good head with a broken body is a failure', success, new MeshError('INMESH_RESET', ''), failure('reset')],
    ['a body that the caller gave up is ignored', success, new MeshError('INMESH_ABORTED', ''), ignored],
    ['a body that the caller gave up with a reason of his own is ignored', success, new Error('mine'), ignored],
    ['a failed head stays what it is', failure('status'), new MeshError('INMESH_RESET', ''), failure('status')],
  ])('%s', (_name, head, error, final) => {
    const one = reply(head);
    let told: Outcome | undefined;
    one.onEnd((outcome) => {
      told = outcome;
    });
    one.body.fail(error);
    expect(told).toEqual(final);
  });
});

describe('IncomingReply.rawHeaders', () => {
  it('gives what was received', () => {
    const raw = [Buffer.from('A'), Buffer.from('1')];
    expect(new IncomingReply(200, '', { a: '1' }, raw, success, control).rawHeaders).toBe(raw);
  });

  it('is made of the headers when nothing was received', () => {
    const raw = reply(success, { a: '1', 'set-cookie': ['x', 'ü'] }).rawHeaders;
    expect(raw.map((part) => part.toString('latin1'))).toEqual(['a', '1', 'set-cookie', 'x', 'set-cookie', 'ü']);
  });
});

describe('replyOf', () => {
  it('takes a Response with status, headers, cookies and body', async () => {
    const answer = new Response('x', {
      status: 203,
      statusText: 'Cached',
      headers: [
        ['set-cookie', 'a'],
        ['set-cookie', 'b'],
      ],
    });
    const made = await replyOf(answer);
    expect([made.status, made.statusText, made.headers['set-cookie']]).toEqual([203, 'Cached', ['a', 'b']]);
    expect([made.body.complete, await made.body.text()]).toEqual([true, 'x']);
  });

  it.each([
    [[1, 2], '[1,2]'],
    [undefined, 'null'],
    ['a', '"a"'],
  ])('sends %j as JSON', async (answer, text) => {
    const made = await replyOf(answer);
    expect(made.headers['content-type']).toBe('application/json');
    expect(await made.body.text()).toBe(text);
  });

  it('has ended when it is made', () => {
    let ended = 0;
    madeReply(204, {}, new Uint8Array()).onEnd(() => ended++);
    expect(ended).toBe(1);
  });
});
