/**
 * How does a stream of bytes become lines? At its line feeds only: a chunk may end anywhere, also within a character.
 */

/** Cuts the chunks of one stream into lines. */
export class TextLines {
  private readonly maxBytes: number;
  private rest: Buffer[] = [];
  private restBytes = 0;
  private hasFailed = false;

  /** @param maxBytes a longer line is an error. */
  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  /** Whether the stream stopped within a line. */
  get isCut(): boolean {
    return this.restBytes > 0;
  }

  /** Whether there was a line that is too long. */
  get isTooLong(): boolean {
    return this.hasFailed;
  }

  /**
   * The lines that `chunk` completes, without their ends; empty ones are left out.
   *
   * @throws Error for a line that is too long.
   */
  *take(chunk: Buffer): Iterable<string> {
    let start = 0;
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, start)) {
      this.keep(chunk.subarray(start, end));
      start = end + 1;
      const line = this.restBytes === 0 ? '' : Buffer.concat(this.rest).toString('utf8');
      this.rest = [];
      this.restBytes = 0;
      if (line !== '') yield line;
    }
    this.keep(chunk.subarray(start));
  }

  private keep(part: Buffer): void {
    if (part.length === 0) return;
    this.restBytes += part.length;
    if (this.restBytes > this.maxBytes) {
      this.hasFailed = true;
      throw new Error(`a line has more than ${this.maxBytes} bytes`);
    }
    this.rest.push(part);
  }
}
