/**
 * How does a document get into a shared registry? As an operator or a pipeline puts it there: `inmesh registry apply`.
 */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const timeoutMs = 15_000;

/** The program behind `npx inmesh`. */
export const cliPath = fileURLToPath(new URL('../../dist/cli/inmesh.js', import.meta.url));

/**
 * Publishes the file at `path`.
 *
 * @param registry an address, `consul://127.0.0.1:8500`.
 * @returns the version that is in force now; the one that was when nothing has changed.
 * @throws Error with what the command says.
 */
export async function publishDocument(registry: string, path: string): Promise<string> {
  const args = [cliPath, 'registry', 'apply', path, '--registry', registry];
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: timeoutMs });
  const [, version] = /: version ([^,\s]+)/.exec(stdout) ?? [];
  if (version === undefined) throw new Error(`inmesh registry apply said: ${stdout}`);
  return version;
}
