/**
 * Why read DER by hand? Node tells neither the key usage bits of a certificate nor its names without escaping them into
 * one string. Reading four extensions takes the few rules of DER that are here, each checked against the bounds.
 */

/** One element of DER. */
export interface DerElement {
  /** The identifier octet: class, constructed bit and number; numbers of 31 and above do not occur in certificates. */
  readonly tag: number;
  readonly content: Buffer;
}

/** The tags that certificates need. */
export const derTags = Object.freeze({
  boolean: 0x01,
  bitString: 0x03,
  octetString: 0x04,
  objectId: 0x06,
  sequence: 0x30,
});

/**
 * The elements that `bytes` consists of.
 *
 * @throws RangeError when the bytes are not DER, or something follows the last element.
 */
export function readElements(bytes: Buffer): DerElement[] {
  const elements: DerElement[] = [];
  let offset = 0;
  while (offset < bytes.length) {
    const tag = bytes.readUInt8(offset);
    if ((tag & 0x1f) === 0x1f) throw new RangeError('DER: a tag of more than one octet');
    const { length, start } = readLength(bytes, offset + 1);
    const end = start + length;
    if (end > bytes.length) throw new RangeError('DER: an element exceeds its parent');
    elements.push({ tag, content: bytes.subarray(start, end) });
    offset = end;
  }
  return elements;
}

/** Certificates are far below 16 MiB. */
const maxLengthOctets = 3;

function readLength(bytes: Buffer, offset: number): { length: number; start: number } {
  const first = bytes.readUInt8(offset);
  if (first < 0x80) return { length: first, start: offset + 1 };
  const octets = first & 0x7f;
  // 0x80 is the indefinite length of BER, which DER forbids.
  if (octets === 0 || octets > maxLengthOctets) throw new RangeError('DER: a length out of bounds');
  const length = bytes.readUIntBE(offset + 1, octets);
  const shortest = length < 0x80 ? 0 : length < 0x100 ? 1 : length < 0x10000 ? 2 : 3;
  if (octets !== shortest) throw new RangeError('DER: a length that is not the shortest');
  return { length, start: offset + 1 + octets };
}

/**
 * The only element that `bytes` consists of.
 *
 * @throws RangeError when there is not exactly one, or it has another tag.
 */
export function readElement(bytes: Buffer, tag: number): Buffer {
  const [element, ...rest] = readElements(bytes);
  if (element === undefined || rest.length > 0 || element.tag !== tag)
    throw new RangeError('DER: another element expected');
  return element.content;
}
