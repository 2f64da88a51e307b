/** A TCP proxy in front of a real server, for tests of what happens when nobody can reach the server. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** A proxy that forwards until it is told otherwise. */
export interface FaultProxy {
  /** `127.0.0.1:1234`. */
  readonly host: string;
  /** The connections of clients that are open now. */
  readonly connections: number;
  /** Resets all connections, and each further one at once. */
  refuse(): void;
  /** Forwards again. */
  accept(): void;
  dispose(): Promise<void>;
}

/** Starts a proxy to `target`, `host:port`. */
export async function startFaultProxy(target: string): Promise<FaultProxy> {
  const [, host = '', port = ''] = /^(.*):(\d+)$/.exec(target) ?? [];
  const clients = new Set<Socket>();
  let refuses = false;
  const server = createServer((client) => {
    if (refuses) {
      client.resetAndDestroy();
      return;
    }
    const upstream = connect(Number(port), host);
    clients.add(client);
    client.on('close', () => {
      clients.delete(client);
      upstream.destroy();
    });
    upstream.on('close', () => client.destroy());
    for (const socket of [client, upstream]) socket.on('error', () => {});
    client.pipe(upstream).pipe(client);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const resetAll = () => {
    for (const client of clients) client.resetAndDestroy();
  };
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    get connections() {
      return clients.size;
    },
    refuse() {
      refuses = true;
      resetAll();
    },
    accept() {
      refuses = false;
    },
    async dispose() {
      const closed = once(server, 'close');
      server.close();
      resetAll();
      await closed;
    },
  };
}
