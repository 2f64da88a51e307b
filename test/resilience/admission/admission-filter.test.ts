import { describe, expect, it } from 'vitest';
import type { Call } from '../../../src/core/call.ts';
import { type ErrorCode, MeshError } from '../../../src/core/errors.ts';
import { seededRandom } from '../../../src/core/random.ts';
import type { Reply } from '../../../src/core/reply.ts';
import { AdmissionControl, admissionDefaults } from '../../../src/resilience/admission/admission-control.ts';
import { admissionFilter } from '../../../src/resilience/admission/admission-filter.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';
import { fakeCall } from '../fake-call.ts';
import { FakeReply } from '../fake-reply.ts';

function setUp({ darkMode = false, maxRejectionPercent = 100 } = {}) {
  let refusals = 0;
  const options = { ...admissionDefaults, minRequestsPerSecond: 0, maxRejectionPercent, darkMode };
  const control = new AdmissionControl(options);
  const filter = admissionFilter({
    service: 'reviews',
    clock: new VirtualClock(),
    random: seededRandom(7),
    control,
    darkMode,
    onRefuse: () => refusals++,
  });
  const run = (next: (call: Call) => Promise<Reply>, call = fakeCall()) =>
    filter.apply(call, next).catch((error) => error);
  return { control, run, refusals: () => refusals };
}

const answers = (status: number) => async () => new FakeReply(status);
const fails = (code: ErrorCode) => () => Promise.reject(new MeshError(code, 'no'));

describe('admissionFilter', () => {
  it.each([
    ['429', answers(429)],
    ['503', answers(503)],
    ['no connection', fails('INMESH_CONNECT')],
    ['a broken connection', fails('INMESH_RESET')],
    ['a refused stream', fails('INMESH_REFUSED_STREAM')],
    ['a timeout', fails('INMESH_HEAD_TIMEOUT')],
  ])('takes %s for a refusal', async (_what, next) => {
    const { control, run } = setUp();
    await run(next);
    expect(control.rejection(0, 'critical')).toBe(0.5);
  });

  it.each([200, 404, 500, 502, 504])('takes %i for an answer', async (status) => {
    const { control, run } = setUp();
    await run(answers(status));
    await run(answers(503));
    // One of two is accepted: just enough.
    expect(control.rejection(0, 'critical')).toBe(0);
  });

  it.each([
    ['what the caller gave up', () => Promise.reject(new Error('enough'))],
    ['a limit of ours', fails('INMESH_OVERFLOW')],
    ['an open breaker', fails('INMESH_CIRCUIT_OPEN')],
    ['a service without endpoints', fails('INMESH_NO_ENDPOINT')],
  ])('counts %s as neither', async (_what, next) => {
    const { control, run } = setUp();
    for (let call = 0; call < 10; call++) await run(next);
    expect(control.rejection(0, 'critical')).toBe(0);
  });

  it('counts a call at its deadline as a refusal, though it was cancelled', async () => {
    const { control, run } = setUp();
    const call = fakeCall();
    call.cancel(new MeshError('INMESH_TIMEOUT', 'late'));
    await run(() => Promise.reject(new Error('cancelled')), call);
    expect(control.rejection(0, 'critical')).toBe(0.5);
  });

  it('sends about twice what a service accepts that has room for a fifth of the calls', async () => {
    const { run, refusals } = setUp();
    const rounds = 100;
    let sent = 0;
    let atHalf = 0;
    for (let round = 0; round < rounds; round++) {
      let room = 20;
      const serve = async () => {
        sent++;
        return new FakeReply(room-- > 0 ? 200 : 503);
      };
      for (let call = 0; call < 100; call++) await run(serve);
      if (round === rounds / 2) atHalf = sent;
    }
    expect(sent + refusals()).toBe(100 * rounds);
    expect((sent - atHalf) / (rounds / 2)).toBeGreaterThan(36);
    expect((sent - atHalf) / (rounds / 2)).toBeLessThan(44);
  });

  it('refuses with an error of its own, without asking the service', async () => {
    const { run, refusals } = setUp();
    let error: unknown;
    for (let call = 0; call < 100 && refusals() === 0; call++) error = await run(answers(503));
    expect(error).toMatchObject({ code: 'INMESH_OVERFLOW', service: 'reviews', attempts: 0 });
  });

  it('lets all through in dark mode, counting those it should refuse', async () => {
    const { run, refusals } = setUp({ darkMode: true });
    let sent = 0;
    for (let call = 0; call < 100; call++) {
      await run(async () => {
        sent++;
        return new FakeReply(503);
      });
    }
    expect(sent).toBe(100);
    expect(refusals()).toBeGreaterThan(80);
  });
});
