/**
 * What does Consul say of a key? Its name, its value in base64, and the index at which it was written last.
 */

/** A key with its value. */
export interface ConsulKey {
  readonly key: string;
  readonly text: string;
  /** The index of the last change: the version. */
  readonly version: string;
}

/** Reads an element of `/v1/kv/…`; undefined for a folder, as Consul's own pages make them. */
export function readConsulKey(element: unknown): ConsulKey | undefined {
  const { Key, Value, ModifyIndex } = (element ?? {}) as { Key?: unknown; Value?: unknown; ModifyIndex?: unknown };
  if (typeof Key !== 'string' || typeof ModifyIndex !== 'number') throw new SyntaxError('an element is no key');
  if (Key.endsWith('/')) return undefined;
  const text = typeof Value === 'string' ? Buffer.from(Value, 'base64').toString('utf8') : '';
  return { key: Key, text, version: String(ModifyIndex) };
}

/** The path of a key, whose slashes are those of the path. */
export function keyPath(key: string): string {
  return `/v1/kv/${key.split('/').map(encodeURIComponent).join('/')}`;
}
