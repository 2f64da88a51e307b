/**
 * What does a YAML or JSON text say, and where? The value comes with the offset of each of its keys and values, in one
 * flat array: it can be handed over from the worker thread, and nothing else of the parser is kept.
 *
 * JSON is read as YAML 1.2, which contains it. The core schema applies: `yes` is a text, dates are texts.
 */
import { type Alias, isAlias, isMap, isScalar, isSeq, type Node, parseDocument, visit, type YAMLMap } from 'yaml';
import { forbiddenKeys, maxAliasedValues, maxDepth, maxTextLength, maxValues } from './document-bounds.ts';

/** Something wrong at an offset of a text. */
export interface TextProblem {
  readonly offset: number;
  readonly message: string;
}

/** A text that was read. */
export interface YamlValue {
  readonly ok: true;
  /** Objects have no prototype. */
  readonly value: unknown;
  /**
   * Two for each value, its key's and its own; objects before their fields, and these in the order of `Object.keys`.
   * A value without a key has its own offset twice.
   */
  readonly offsets: Uint32Array;
}

/** What {@link readYaml} answers. */
export type YamlResult = YamlValue | { readonly ok: false; readonly problems: readonly TextProblem[] };

/** Reads one YAML document. Never throws. */
export function readYaml(text: string): YamlResult {
  if (text.length > maxTextLength) return failed(0, `is longer than ${maxTextLength} characters`);
  const document = parseDocument(text, { uniqueKeys: false, prettyErrors: false, merge: false, stringKeys: false });
  const complaints = [...document.errors, ...document.warnings];
  if (complaints.length > 0) {
    const problems = complaints.map(({ code, message, pos }) => ({
      offset: pos[0],
      message: code === 'MULTIPLE_DOCS' ? 'a second document starts; a file holds one' : message,
    }));
    return { ok: false, problems };
  }
  if (document.contents === null || document.contents === undefined) return failed(0, 'is empty');
  const reader = new NodeReader(document.contents, Math.min(maxValues, text.length + maxAliasedValues));
  const value = reader.read(document.contents, undefined, 0);
  if (reader.problems.length > 0) return { ok: false, problems: reader.problems };
  return { ok: true, value, offsets: Uint32Array.from(reader.offsets) };
}

function failed(offset: number, message: string): YamlResult {
  return { ok: false, problems: [{ offset, message }] };
}

/** Turns nodes into a value, and notes their offsets. */
class NodeReader {
  readonly offsets: number[] = [];
  readonly problems: TextProblem[] = [];
  /** Whether a bound was exceeded; nothing more is read then. */
  private exceeded = false;
  /** What each alias stands for: the last anchor of its name before it. */
  private readonly targets = new Map<Alias, Node>();

  private readonly maxValues: number;

  constructor(root: Node, maxValues: number) {
    this.maxValues = maxValues;
    const anchors = new Map<string, Node>();
    visit(root, (_, node) => {
      if (isAlias(node)) {
        const target = anchors.get(node.source);
        if (target !== undefined) this.targets.set(node, target);
      } else if ((isScalar(node) || isMap(node) || isSeq(node)) && node.anchor !== undefined) {
        anchors.set(node.anchor, node);
      }
    });
  }

  read(node: Node | null, keyOffset: number | undefined, depth: number): unknown {
    const offset = node?.range?.[0] ?? keyOffset ?? 0;
    if (this.exceeded) return undefined;
    this.offsets.push(keyOffset ?? offset, offset);
    if (depth > maxDepth || this.offsets.length > 2 * this.maxValues) {
      this.exceeded = true;
      const bound = depth > maxDepth ? `nested more than ${maxDepth} deep` : `more than ${this.maxValues} values`;
      return this.problem(offset, `${bound}, counting what aliases stand for`);
    }
    const target = isAlias(node) ? this.targets.get(node) : node;
    if (target === undefined) return this.problem(offset, 'is an alias of an anchor that is not there');
    if (isMap<Node, Node | null>(target)) return this.readMap(target, depth);
    if (isSeq<Node>(target)) return target.items.map((item) => this.read(item, undefined, depth + 1));
    return isScalar(target) ? target.value : null;
  }

  private readMap(map: YAMLMap<Node, Node | null>, depth: number): unknown {
    const pairs = new Map<string, { key: Node; value: Node | null }>();
    const result: Record<string, unknown> = Object.create(null);
    for (const { key, value } of map.items) {
      const offset = key.range?.[0] ?? 0;
      const name = isScalar(key) ? key.value : undefined;
      if (typeof name !== 'string') this.problem(offset, 'a key is not a text; quote it');
      else if (name === '<<') this.problem(offset, 'merge keys (<<) are not supported');
      else if (forbiddenKeys.has(name)) this.problem(offset, `the key ${name} is not allowed`);
      else if (pairs.has(name)) this.problem(offset, `the key ${JSON.stringify(name)} stands here twice`);
      else {
        pairs.set(name, { key, value });
        result[name] = undefined; // Fixes the order of Object.keys, in which the offsets are noted.
      }
    }
    for (const name of Object.keys(result)) {
      const { key, value } = pairs.get(name)!;
      result[name] = this.read(value, key.range?.[0], depth + 1);
    }
    return result;
  }

  private problem(offset: number, message: string): undefined {
    this.problems.push({ offset, message });
    return undefined;
  }
}
