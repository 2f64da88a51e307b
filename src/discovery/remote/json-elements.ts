/**
 * How is a JSON array of 10 MB read without holding up the calls of the process? Element by element, while its bytes
 * arrive: only one element is held and parsed at a time, and between two of them the reader may let the event loop turn.
 *
 * Where an element ends is all that is found out here, from quotes and brackets; what it is, `JSON.parse` decides. Bytes
 * of characters beyond ASCII are never taken for one of these, so that a cut inside a character does no harm (RFC 3629).
 */

const [quote, backslash, comma] = [0x22, 0x5c, 0x2c];
const [openBracket, closeBracket, openBrace, closeBrace] = [0x5b, 0x5d, 0x7b, 0x7d];

const nothing = new Uint8Array();

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
    if (!splitter.rest.every(isSpace)) throw new SyntaxError('what came is no JSON array');
  }
  if (!splitter.hasEnded) throw new SyntaxError('a JSON array is cut off');
}

/** Cuts the text of an array where its elements end. */
export class ElementSplitter {
  /** What came behind the array, of the chunk that was pushed last. */
  rest: Uint8Array = nothing;
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

  /** Whether the array has ended. */
  get hasEnded(): boolean {
    return this.state === 'after';
  }

  /** @throws SyntaxError for what is no array; what its elements are is not looked at. */
  *push(chunk: Uint8Array): Generator<string> {
    let start = this.state === 'before' ? this.begin(chunk) : 0;
    while (this.state === 'inside') {
      const end = this.findEnd(chunk, start);
      if (end === chunk.length) {
        this.keep(chunk.subarray(start));
        return;
      }
      const byte = chunk[end];
      if (byte === closeBrace) throw new SyntaxError('a JSON array ends with }');
      const text = this.take(chunk.subarray(start, end));
      start = end + 1;
      const isEmptyArray = byte === closeBracket && !this.hasElement && /^[ \n\r\t]*$/.test(text);
      this.hasElement = true;
      if (!isEmptyArray) yield text;
      if (byte === closeBracket) this.state = 'after';
    }
    this.rest = chunk.subarray(start);
  }

  /** Finds the bracket that the array begins with; the place behind it. */
  private begin(chunk: Uint8Array): number {
    const at = chunk.findIndex((byte) => !isSpace(byte));
    if (at === -1) return chunk.length;
    if (chunk[at] !== openBracket) throw new SyntaxError('what came is no JSON array');
    this.state = 'inside';
    return at + 1;
  }

  /** Where the element under way ends: the first of `,`, `]` and `}` that is of the array. This loop sees each byte. */
  private findEnd(chunk: Uint8Array, from: number): number {
    let { depth, inString, escaped } = this;
    let at = from;
    for (; at < chunk.length; at++) {
      const byte = chunk[at];
      if (inString) {
        if (escaped) escaped = false;
        else if (byte === backslash) escaped = true;
        else if (byte === quote) inString = false;
      } else if (byte === quote) inString = true;
      else if (byte === openBracket || byte === openBrace) depth++;
      else if (depth > 0) {
        if (byte === closeBracket || byte === closeBrace) depth--;
      } else if (byte === comma || byte === closeBracket || byte === closeBrace) break;
    }
    this.depth = depth;
    this.inString = inString;
    this.escaped = escaped;
    return at;
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
