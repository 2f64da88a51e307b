/**
 * How is a JSON array of 10 MB read without holding up the calls of the process? Element by element, while its bytes
 * arrive: only one element is held and parsed at a time, and between two of them the reader may let the event loop turn.
 *
 * Where an element ends is all that is found out here, from quotes and brackets; what it is, `JSON.parse` decides. Bytes
 * of characters beyond ASCII are never taken for one of these, so that a cut inside a character does no harm (RFC 3629).
 */

const [quote, backslash, comma] = [0x22, 0x5c, 0x2c];
const [openBracket, closeBracket, openBrace, closeBrace] = [0x5b, 0x5d, 0x7b, 0x7d];

/** A longer element is no answer of a registry: values are bounded there to less than 1 MB. */
const maxElementBytes = 16 * 1024 * 1024;

/**
 * The elements of the one array that `body` is.
 *
 * @throws SyntaxError for what is no whole JSON array, though only after the elements before the place of the error.
 */
export async function* jsonElements(body: AsyncIterable<Uint8Array>): AsyncGenerator<unknown> {
  const splitter = new ElementSplitter();
  for await (const chunk of body) {
    for (const text of splitter.push(chunk)) yield JSON.parse(text);
  }
  splitter.end();
}

/** Cuts the text of an array where its elements end. */
class ElementSplitter {
  private state: 'before' | 'inside' | 'after' = 'before';
  /** Of brackets inside the element. */
  private depth = 0;
  private inString = false;
  private escaped = false;
  /** Whether an element has been told, so that after a comma there must be another. */
  private hasElement = false;
  /** The parts of the element under way that came with former chunks. */
  private parts: Uint8Array[] = [];
  private size = 0;

  *push(chunk: Uint8Array): Generator<string> {
    let start = 0;
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at] as number;
      if (this.state !== 'inside') {
        if (isSpace(byte)) continue;
        if (this.state === 'after' || byte !== openBracket) throw new SyntaxError('what came is no JSON array');
        this.state = 'inside';
        start = at + 1;
      } else if (this.inString) {
        if (this.escaped) this.escaped = false;
        else if (byte === backslash) this.escaped = true;
        else if (byte === quote) this.inString = false;
      } else if (byte === quote) this.inString = true;
      else if (byte === openBracket || byte === openBrace) this.depth++;
      else if (this.depth > 0) {
        if (byte === closeBracket || byte === closeBrace) this.depth--;
      } else if (byte === comma || byte === closeBracket) {
        const text = this.take(chunk.subarray(start, at));
        start = at + 1;
        if (byte === closeBracket) this.state = 'after';
        const isEmptyArray = byte === closeBracket && !this.hasElement && /^[ \n\r\t]*$/.test(text);
        this.hasElement = true;
        if (!isEmptyArray) yield text;
      } else if (byte === closeBrace) throw new SyntaxError('a JSON array ends with }');
    }
    if (this.state === 'inside') this.keep(chunk.subarray(start));
  }

  /** @throws SyntaxError when the array has not ended. */
  end(): void {
    if (this.state !== 'after') throw new SyntaxError('a JSON array is cut off');
  }

  private take(last: Uint8Array): string {
    this.keep(last);
    const text = Buffer.concat(this.parts).toString('utf8');
    this.parts = [];
    this.size = 0;
    return text;
  }

  private keep(part: Uint8Array): void {
    this.size += part.length;
    if (this.size > maxElementBytes) throw new SyntaxError(`an element has more than ${maxElementBytes} bytes`);
    this.parts.push(part);
  }
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}
