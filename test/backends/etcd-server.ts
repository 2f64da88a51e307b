/** Real etcd servers, one or several that form a cluster, for tests. */
import { join } from 'node:path';
import { freePorts, ServerProcess, temporaryFolder } from './server-process.ts';

/** A cluster of etcd. */
export interface EtcdCluster {
  /** `127.0.0.1:2379` of each member. */
  readonly hosts: readonly string[];
  /** In the same order. */
  readonly processes: readonly ServerProcess[];
  /** Sends a request to the JSON gateway of a member; throws when the status is not 200. */
  send(path: string, body: unknown, member?: number): Promise<Record<string, unknown>>;
  /** The index of the member that leads. */
  leader(): Promise<number>;
  dispose(): Promise<void>;
}

/**
 * Starts a cluster. Elections are quick, so that tests are.
 *
 * @param args further arguments of each member.
 */
export async function startEtcd(members = 1, args: readonly string[] = []): Promise<EtcdCluster> {
  const folder = temporaryFolder('etcd');
  const ports = await freePorts(members * 2);
  const clientPorts = ports.slice(0, members);
  const peers = ports.slice(members).map((port) => `http://127.0.0.1:${port}`);
  const hosts = clientPorts.map((port) => `127.0.0.1:${port}`);
  const processes = hosts.map((host, index) => {
    const peer = peers[index] as string;
    return new ServerProcess({
      name: 'etcd',
      args: [
        `--name=m${index}`,
        `--data-dir=${join(folder.path, `m${index}`)}`,
        `--listen-client-urls=http://${host}`,
        `--advertise-client-urls=http://${host}`,
        `--listen-peer-urls=${peer}`,
        `--initial-advertise-peer-urls=${peer}`,
        `--initial-cluster=${peers.map((url, member) => `m${member}=${url}`).join(',')}`,
        '--heartbeat-interval=50',
        '--election-timeout=500',
        ...args,
      ],
      isReady: async () => {
        const response = await fetch(`http://${host}/health`);
        return ((await response.json()) as { health: string }).health === 'true';
      },
    });
  });
  await Promise.all(processes.map((process) => process.spawn()));
  await Promise.all(processes.map((process) => process.ready()));
  const send: EtcdCluster['send'] = async (path, body, member = 0) => {
    const response = await fetch(`http://${hosts[member]}${path}`, { method: 'POST', body: JSON.stringify(body) });
    const text = await response.text();
    if (response.status !== 200) throw new Error(`${path}: ${response.status} ${text}`);
    return JSON.parse(text);
  };
  return {
    hosts,
    processes,
    send,
    leader: async () => {
      const states = await Promise.all(hosts.map((_, member) => send('/v3/maintenance/status', {}, member)));
      return states.findIndex(({ header, leader }) => (header as { member_id: string }).member_id === leader);
    },
    dispose: async () => {
      await Promise.all(processes.map((process) => process.dispose()));
      folder.remove();
    },
  };
}
