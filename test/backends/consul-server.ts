/** A real Consul agent in development mode, for tests. */
import { freePorts, ServerProcess } from './server-process.ts';

/** A Consul agent. */
export interface ConsulServer {
  /** `127.0.0.1:8500`. */
  readonly host: string;
  readonly dnsPort: number;
  readonly process: ServerProcess;
  /** Sends a request to its HTTP API; throws when the status is not 2xx. */
  send(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<unknown>;
  dispose(): Promise<void>;
}

/**
 * Starts an agent.
 *
 * @param hcl lines of configuration beyond the defaults.
 */
export async function startConsul(...hcl: readonly string[]): Promise<ConsulServer> {
  const [http, grpc, dns, server, serfLan, serfWan] = await freePorts(6);
  const host = `127.0.0.1:${http}`;
  const settings = ['disable_update_check = true', 'disable_remote_exec = true', ...hcl];
  const process = new ServerProcess({
    name: 'consul',
    args: [
      'agent',
      '-dev',
      '-node=n',
      '-bind=127.0.0.1',
      '-client=127.0.0.1',
      `-http-port=${http}`,
      `-grpc-port=${grpc}`,
      `-dns-port=${dns}`,
      `-server-port=${server}`,
      `-serf-lan-port=${serfLan}`,
      `-serf-wan-port=${serfWan}`,
      ...settings.flatMap((setting) => ['-hcl', setting]),
    ],
    isReady: async () => {
      const response = await fetch(`http://${host}/v1/status/leader`);
      return (await response.text()).length > 4;
    },
  });
  await process.start();
  return {
    host,
    dnsPort: dns as number,
    process,
    send: async (method, path, body, headers = {}) => {
      const response = await fetch(`http://${host}${path}`, {
        method,
        headers,
        ...(body === undefined ? undefined : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      });
      const text = await response.text();
      if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
      return text === '' ? undefined : JSON.parse(text);
    },
    dispose: () => process.dispose(),
  };
}
