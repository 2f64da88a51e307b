/**
 * Which real registries hold documents? Those whose servers can be started here; each test has a prefix of its own.
 */
import { type ConsulServer, startConsul } from './consul-server.ts';
import { type EtcdCluster, startEtcd } from './etcd-server.ts';

/** What is in no output. */
export const secret = 'xyzzy-4711';

/** A registry that holds documents. */
export interface DocumentBackend {
  readonly name: string;
  start(): Promise<void>;
  /** The address of a mesh of its own. */
  address(prefix: string): string;
  /** An address that nobody is at, with a secret in it. */
  readonly wrongAddress: string;
  /** Writes a document past the command. */
  put(prefix: string, name: string, text: string): Promise<unknown>;
  dispose(): Promise<void>;
}

function consulBackend(): DocumentBackend {
  let consul: ConsulServer;
  return {
    name: 'consul',
    start: async () => {
      consul = await startConsul();
    },
    address: (prefix) => `consul://${consul.host}/${prefix}`,
    wrongAddress: `consul://127.0.0.1:1/inmesh?token=${secret}`,
    put: (prefix, name, text) => consul.send('PUT', `/v1/kv/${prefix}/documents/${name}`, text),
    dispose: () => consul.dispose(),
  };
}

function etcdBackend(): DocumentBackend {
  let etcd: EtcdCluster;
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  return {
    name: 'etcd',
    start: async () => {
      etcd = await startEtcd();
    },
    address: (prefix) => `etcd://${etcd.hosts[0]}/${prefix}`,
    wrongAddress: `etcd://operator:${secret}@127.0.0.1:1/inmesh`,
    put: (prefix, name, text) =>
      etcd.send('/v3/kv/put', { key: base64(`${prefix}/documents/${name}`), value: base64(text) }),
    dispose: () => etcd.dispose(),
  };
}

/** All of them, not started. */
export function documentBackends(): DocumentBackend[] {
  return [consulBackend(), etcdBackend()];
}
