/**
 * How is a JSON object read whose one large member is an array, such as the list of an API with all its objects? As
 * with `jsonElements`: the elements one by one while they arrive. The rest of the object is small; it is read at
 * the end, because what is of interest in it may stand before or behind the array.
 */
import { ElementSplitter } from './json-elements.ts';

const [quote, backslash] = [0x22, 0x5c];
const [openBracket, closeBracket, openBrace, closeBrace] = [0x5b, 0x5d, 0x7b, 0x7d];

/** More than this around the array is no answer of a registry. */
const maxRestBytes = 1024 * 1024;

/** Of a name and the spaces around it. */
const tailBytes = 256;

/**
 * Reads the object that `body` is.
 *
 * @param member the name of the array; when it is something else, or not there, nothing is taken.
 * @param take gets each element before the next one is parsed.
 * @returns the object, with an empty array in place of that one.
 * @throws SyntaxError for what is no JSON, though only after the elements before the place of the error.
 */
export async function readJsonList(
  body: AsyncIterable<Uint8Array>,
  member: string,
  take: (element: unknown) => Promise<void>,
): Promise<unknown> {
  const outer = new OuterObject(member);
  let elements: ElementSplitter | undefined;
  for await (const chunk of body) {
    for (let rest: Uint8Array = chunk; rest.length > 0; ) {
      if (elements === undefined) {
        rest = outer.push(rest);
        if (rest.length > 0) elements = new ElementSplitter();
      } else {
        for (const text of elements.push(rest)) await take(JSON.parse(text));
        rest = elements.rest;
        if (elements.hasEnded) elements = undefined;
      }
    }
  }
  if (elements !== undefined) throw new SyntaxError('a JSON array is cut off');
  return outer.parse();
}

/** What is around the array. */
class OuterObject {
  /** The text right before the array. */
  private readonly before: RegExp;
  private readonly parts: Uint8Array[] = [];
  /** The last bytes of these. */
  private tail: Uint8Array = new Uint8Array();
  private size = 0;
  private depth = 0;
  private inString = false;
  private escaped = false;

  constructor(member: string) {
    // Within a string, a backslash stands before each quotation mark; so this one begins a string.
    this.before = new RegExp(`[{,\\s]"${member}"\\s*:\\s*$`);
  }

  /** Takes what is not of the array, and gives what is: from its bracket on. */
  push(chunk: Uint8Array): Uint8Array {
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at] as number;
      if (this.inString) {
        if (this.escaped) this.escaped = false;
        else if (byte === backslash) this.escaped = true;
        else if (byte === quote) this.inString = false;
      } else if (byte === quote) this.inString = true;
      else if (byte === closeBracket || byte === closeBrace) this.depth--;
      else if (byte === openBrace) this.depth++;
      else if (byte === openBracket) {
        const before = chunk.subarray(0, at);
        if (this.depth === 1 && this.before.test(this.tailWith(before).toString('utf8'))) {
          this.keep(before);
          this.keep(Buffer.from('[]'));
          return chunk.subarray(at);
        }
        this.depth++;
      }
    }
    this.keep(chunk);
    return chunk.subarray(chunk.length);
  }

  parse(): unknown {
    return JSON.parse(Buffer.concat(this.parts).toString('utf8'));
  }

  private tailWith(last: Uint8Array): Buffer {
    return Buffer.concat([this.tail, last.subarray(-tailBytes)]).subarray(-tailBytes);
  }

  private keep(part: Uint8Array): void {
    this.size += part.length;
    if (this.size > maxRestBytes) throw new SyntaxError(`there are more than ${maxRestBytes} bytes around an array`);
    this.tail = this.tailWith(part);
    this.parts.push(part);
  }
}
