/** Writes the keys of a test straight to etcd, past the driver. */
import type { EtcdCluster } from './etcd-server.ts';

/** Keys under test. */
export interface EtcdKeys {
  /** All in one transaction; undefined deletes. */
  write(values: Readonly<Record<string, string | undefined>>, member?: number): Promise<void>;
  /** What the keys hold that begin with `prefix`. */
  read(prefix: string, member?: number): Promise<Readonly<Record<string, string>>>;
}

export function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}

function ofBase64(text = ''): string {
  return Buffer.from(text, 'base64').toString();
}

export function etcdKeys({ send }: Pick<EtcdCluster, 'send'>): EtcdKeys {
  return {
    write: async (values, member) => {
      const success = Object.entries(values).map(([key, value]) =>
        value === undefined
          ? { request_delete_range: { key: base64(key) } }
          : { request_put: { key: base64(key), value: base64(value) } },
      );
      await send('/v3/kv/txn', { success }, member);
    },
    read: async (prefix, member) => {
      const last = String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1);
      const message = { key: base64(prefix), range_end: base64(`${prefix.slice(0, -1)}${last}`) };
      const { kvs = [] } = (await send('/v3/kv/range', message, member)) as { kvs?: { key: string; value?: string }[] };
      return Object.fromEntries(kvs.map(({ key, value }) => [ofBase64(key), ofBase64(value)]));
    },
  };
}
