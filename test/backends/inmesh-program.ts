/**
 * How does a test run `inmesh`? As a program, as people do; or, as that takes half a second, in this process.
 */
import { execFile } from 'node:child_process';
import { Writable } from 'node:stream';
import { parseArgs } from 'node:util';
import { type registryActions, registryCommand } from '../../src/cli/registry-command.ts';

/** What a command came to. */
export interface Ending {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs the program. INMESH_REGISTRY is that of `env` alone. */
export async function inmesh(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ending> {
  const { INMESH_REGISTRY: _, ...inherited } = process.env;
  return new Promise((resolve) => {
    const options = { env: { ...inherited, ...env } };
    const child = execFile(process.execPath, ['src/cli/inmesh.ts', ...args], options, (_error, out, err) => {
      resolve({ status: child.exitCode, out, err });
    });
  });
}

/** Does what `inmesh registry` does with these words, without starting a program. */
export async function inmeshRegistry(
  registry: string,
  action: (typeof registryActions)[number],
  args: string[],
): Promise<Ending> {
  const option = { type: 'string' } as const;
  const options = { name: option, expect: option, to: option, strict: { type: 'boolean' } } as const;
  const { values, positionals } = parseArgs({ args, allowPositionals: true, options });
  const { name, expect, to, strict = false } = values;
  const [out, err] = [new Printed(), new Printed()];
  const status = await registryCommand(action, positionals, { registry, name, expect, to, strict }, { out, err });
  return { status, out: out.text, err: err.text };
}

/** Keeps what is written. */
class Printed extends Writable {
  text = '';

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk;
    done();
  }
}
