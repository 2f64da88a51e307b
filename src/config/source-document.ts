/**
 * Where in its source is a part of a document? `mesh.yaml:3:5: services[0].host` for a text, `inline:
 * services[0].host` for a value.
 */
import { type DocumentPath, formatPath } from './document-path.ts';

/** Which offset of a field is meant: that of its name or of its value. */
export type Side = 'key' | 'value';

/** A document that was read, and is not checked yet. */
export class SourceDocument {
  /** Of the file, or `inline`. */
  readonly name: string;
  readonly value: unknown;
  private readonly text: string | undefined;
  private readonly offsets: Uint32Array;

  /**
   * @param text without a byte order mark; undefined for a document that came as a value.
   * @param offsets as in {@link import('./read-yaml.ts').YamlValue}.
   */
  constructor(name: string, value: unknown, text?: string, offsets: Uint32Array = new Uint32Array()) {
    this.name = name;
    this.value = value;
    this.text = text;
    this.offsets = offsets;
  }

  /** Names a place for people. The position of what is missing is that of what it is missing from. */
  place(path: DocumentPath, side: Side): string {
    if (this.text === undefined) return `${this.name}: ${formatPath(path)}`;
    const { index, found } = valueIndex(this.value, path);
    const offset = this.offsets[2 * index + (side === 'key' && found ? 0 : 1)] ?? 0;
    return `${this.name}:${linePosition(this.text, offset)}: ${formatPath(path)}`;
  }
}

/** `line:column` of an offset, both from 1. */
export function linePosition(text: string, offset: number): string {
  let line = 1;
  let lineStart = 0;
  for (let end = text.indexOf('\n'); end >= 0 && end < offset; end = text.indexOf('\n', end + 1)) {
    line++;
    lineStart = end + 1;
  }
  return `${line}:${offset - lineStart + 1}`;
}

/** The position of a value, or of its nearest ancestor, when values are counted as in `YamlValue.offsets`. */
function valueIndex(root: unknown, path: DocumentPath): { index: number; found: boolean } {
  let index = 0;
  let current = root;
  for (const step of path) {
    if (typeof current !== 'object' || current === null || !Object.hasOwn(current, step))
      return { index, found: false };
    index++;
    for (const [key, sibling] of Object.entries(current)) {
      if (key === String(step)) {
        current = sibling;
        break;
      }
      index += countValues(sibling);
    }
  }
  return { index, found: true };
}

function countValues(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 1;
  let count = 1;
  for (const item of Object.values(value)) count += countValues(item);
  return count;
}
