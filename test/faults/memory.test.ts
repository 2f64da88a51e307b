import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const program = fileURLToPath(new URL('memory.ts', import.meta.url));

/** A million of them is a minute: set MEMORY_CALLS for that. */
const calls = process.env.MEMORY_CALLS ?? '50000';

/** What caches and compiled code may still grow by after a tenth of the calls. */
const toleranceBytes = 2 * 1024 * 1024;

it('the mesh keeps nothing of a call', { timeout: 300_000 }, async () => {
  const env = { ...process.env, MEMORY_CALLS: calls };
  const { stdout } = await promisify(execFile)(process.execPath, ['--no-warnings', '--expose-gc', program], { env });
  const { earlyBytes, lateBytes } = JSON.parse(stdout) as { earlyBytes: number; lateBytes: number };
  expect(lateBytes).toBeLessThanOrEqual(earlyBytes + toleranceBytes);
});
