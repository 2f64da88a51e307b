/**
 * Who sends the load? Each arm is a client as a program would use it: the mesh with some policy, undici with its own pools,
 * or a proxy in front of the servers.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Agent, BalancedPool, Pool } from 'undici';
import { createMesh } from '../../../src/index.ts';
import { type Policy, roomy } from '../policies.ts';

/** A client that is ready. */
export interface Client {
  /** One GET; answers with the status when the body has ended. */
  readonly call: () => Promise<number>;
  readonly close: () => Promise<void>;
}

/** Opens a client of the servers at these addresses; `undefined` when this machine lacks what it needs. */
export type Arm = (addresses: readonly string[]) => Promise<Client | undefined>;

/** Roomy too. */
const sockets = { connections: 10_000, pipelining: 1, keepAliveTimeout: 60_000 };

/** The mesh. */
export function mesh(trafficPolicy: Policy = {}, timeoutMs?: number): Arm {
  return async (addresses) => {
    const endpoints = addresses.map((address) => ({ address }));
    const policy = { ...roomy, ...trafficPolicy };
    const registry = { services: [{ host: 'published', endpoints, trafficPolicy: policy }] };
    const defaults = timeoutMs === undefined ? {} : { timeoutMs };
    const one = await createMesh({ service: 'client', registry, defaults });
    return {
      call: async () => {
        const { statusCode, body } = await one.request('http://published/');
        await body.arrayBuffer();
        return statusCode;
      },
      close: () => one.close({ timeoutMs: 100 }),
    };
  };
}

/** undici's own balancer. */
export const balancedPool: Arm = async (addresses) => {
  const pool = new BalancedPool(
    addresses.map((address) => `http://${address}`),
    sockets,
  );
  return { call: () => get(pool), close: () => pool.destroy() };
};

/** A pool a server, one after another. */
export const plainRoundRobin: Arm = async (addresses) => {
  const pools = addresses.map((address) => new Pool(`http://${address}`, sockets));
  let turn = 0;
  return {
    call: () => get(pools[turn++ % pools.length] as Pool),
    close: async () => {
      await Promise.all(pools.map((pool) => pool.destroy()));
    },
  };
};

async function get(dispatcher: Pool | BalancedPool): Promise<number> {
  const { statusCode, body } = await dispatcher.request({ path: '/', method: 'GET' });
  await body.arrayBuffer();
  return statusCode;
}

/** HAProxy, least connections. */
export const haproxy: Arm = (addresses) =>
  proxied('/usr/sbin/haproxy', ['-db', '-f'], (port) => [
    // It needs two descriptors for each, and most machines allow 20,000.
    'global\n  maxconn 9000\n  nbthread 1',
    'defaults\n  mode http\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s',
    `frontend all\n  bind 127.0.0.1:${port}\n  default_backend servers`,
    `backend servers\n  balance leastconn\n  http-reuse always\n${addresses
      .map((address, index) => `  server s${index} ${address}`)
      .join('\n')}`,
  ]);

/** A proxy with `config` in a folder of its own, and a client of it. */
async function proxied(
  binary: string,
  options: readonly string[],
  config: (port: number, folder: string) => readonly string[],
): Promise<Client | undefined> {
  if (!existsSync(binary)) return undefined;
  const folder = mkdtempSync(join(tmpdir(), 'inmesh-proxy-'));
  const port = await freePort();
  const path = join(folder, 'proxy.conf');
  writeFileSync(path, `${config(port, folder).join('\n')}\n`);
  const proxy = spawn(binary, [...options, path], { stdio: 'ignore' });
  process.on('exit', () => {
    proxy.kill();
    rmSync(folder, { recursive: true, force: true });
  });
  await listening(port, proxy);
  const agent = new Agent(sockets);
  return {
    call: async () => {
      const { statusCode, body } = await agent.request({
        origin: `http://127.0.0.1:${port}`,
        path: '/',
        method: 'GET',
      });
      await body.arrayBuffer();
      return statusCode;
    },
    close: async () => {
      await agent.destroy();
      proxy.kill();
      await once(proxy, 'exit');
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

async function listening(port: number, proxy: ChildProcess): Promise<void> {
  for (let tries = 0; tries < 100 && proxy.exitCode === null; tries++) {
    const open = await fetch(`http://127.0.0.1:${port}/`, { method: 'OPTIONS' }).then(
      () => true,
      () => false,
    );
    if (open) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`the proxy does not listen: exit code ${String(proxy.exitCode)}`);
}
