/**
 * Who asks Consul? Whoever a token stands for: one that is given, one in a file that somebody else renews, or nobody.
 */
import { readFile, stat } from 'node:fs/promises';
import { MeshError } from '../../core/errors.ts';

/** Where the token comes from. At most one of these. */
export interface ConsulTokenSource {
  readonly token?: string | undefined;
  /** The path of a file with nothing but the token; looked at before each request, read when it has changed. */
  readonly file?: string | undefined;
}

/** Those that a reply may still repeat after a renewal. */
const maxKnown = 4;

/** The token of one registry. */
export class ConsulToken {
  private readonly source: ConsulTokenSource;
  /** What was sent, newest last; cut out of everything that is told. */
  private known: string[] = [];
  private signature = '';

  constructor(source: ConsulTokenSource) {
    this.source = source;
    if (source.token !== undefined) this.known.push(source.token);
  }

  /**
   * The headers of a request.
   *
   * @throws MeshError `INMESH_REGISTRY` when the file cannot be read.
   */
  async headers(): Promise<Readonly<Record<string, string>>> {
    if (this.source.file !== undefined) await this.look(this.source.file);
    const token = this.known.at(-1);
    return token === undefined ? {} : { 'x-consul-token': token };
  }

  /** The text without the token. */
  scrub(text: string): string {
    return this.known.reduce((scrubbed, token) => scrubbed.replaceAll(token, '…'), text);
  }

  private async look(file: string): Promise<void> {
    try {
      const { mtimeMs, size, ino } = await stat(file);
      const signature = `${mtimeMs} ${size} ${ino}`;
      if (signature === this.signature) return;
      const token = (await readFile(file, 'utf8')).trim();
      if (token === '') throw new Error('is empty');
      this.signature = signature;
      this.known = [...this.known.filter((other) => other !== token), token].slice(-maxKnown);
    } catch (cause) {
      throw new MeshError('INMESH_REGISTRY', `tokenFile ${file}: ${(cause as Error).message}`, { cause });
    }
  }
}
