import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

/** NODE_DEBUG is read when Node starts, so the lines are seen from a process of their own. */
async function linesOf(debug: string): Promise<string[]> {
  const script = `
    import { failure, success } from './src/core/outcome.ts';
    import { MeshError } from './src/core/errors.ts';
    import { log, logAttempt, logCall } from './src/telemetry/log.ts';
    import { makeAttempt, makeCall } from './test/telemetry/operations.ts';
    if (log.enabled) {
      const call = makeCall();
      logAttempt(makeAttempt(call), undefined, failure('reset'), new MeshError('INMESH_RESET', 'secret'), 1);
      makeAttempt(call, 2);
      logCall(call, 200, success, undefined, 12.34);
      logCall(call, undefined, { kind: 'ignored' }, new Error('secret'), 2);
    }
  `;
  const { stderr } = await promisify(execFile)(
    process.execPath,
    ['--experimental-strip-types', '--disable-warning=ExperimentalWarning', '--input-type=module', '--eval', script],
    { cwd: new URL('../..', import.meta.url), env: { ...process.env, NODE_DEBUG: debug } },
  );
  return stderr.split('\n').filter((line) => line.startsWith('INMESH'));
}

describe('log', () => {
  it('explains calls and attempts, without query, header or message', async () => {
    const lines = (await linesOf('inmesh')).map((line) => line.replace(/^INMESH \d+: /, ''));
    expect(lines).toEqual([
      'attempt GET reviews/reviews/42 #1 at 127.0.0.1:9081: INMESH_RESET failure (reset) in 1.0 ms',
      'call    GET reviews/reviews/42: 200 success in 12.3 ms, 2 attempts',
      'call    GET reviews/reviews/42: cancelled ignored in 2.0 ms, 2 attempts',
    ]);
  });

  it('is silent by default', async () => {
    expect(await linesOf('')).toEqual([]);
  });
});
