/** A real DNS server, dnsmasq, that knows the names of the domain `test` and no others. */

import { Resolver } from 'node:dns/promises';
import { readdirSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { kill } from 'node:process';
import { findServer, freePorts, ServerProcess, temporaryFolder } from './server-process.ts';

/** A server of names. */
export interface DnsmasqServer {
  /** `127.0.0.1:5353`. */
  readonly host: string;
  readonly process: ServerProcess;
  /**
   * Sets the hosts that it knows, as lines of `/etc/hosts`: `10.0.0.1 reviews.test`. Resolves when it knows them; at
   * once while it does not run.
   */
  setHosts(lines: readonly string[]): Promise<void>;
  /** The lines of its configuration from its next start on, such as `srv-host=…`. */
  setConfiguration(lines: readonly string[]): void;
  dispose(): Promise<void>;
}

/** Starts a server. Its answers live for `ttlSeconds`. */
export async function startDnsmasq(configuration: readonly string[] = [], ttlSeconds = 0): Promise<DnsmasqServer> {
  const folder = temporaryFolder('dnsmasq');
  const [port] = await freePorts(1);
  const host = `127.0.0.1:${port}`;
  const hostsFile = join(folder.path, 'hosts');
  const configurationFile = join(folder.path, 'dnsmasq.conf');
  const resolver = new Resolver({ timeout: 200, tries: 1 });
  resolver.setServers([host]);
  const process = new ServerProcess({
    name: 'dnsmasq',
    args: [
      '--keep-in-foreground',
      `--conf-file=${configurationFile}`,
      `--addn-hosts=${hostsFile}`,
      '--no-hosts',
      '--no-resolv',
      '--local=/test/',
      '--host-record=ready.test,127.0.0.1',
      `--local-ttl=${ttlSeconds}`,
      `--port=${port}`,
      '--listen-address=127.0.0.1',
      '--bind-interfaces',
      '--user=root',
      '--pid-file=',
      '--log-facility=-',
    ],
    env: { LD_LIBRARY_PATH: libraries().join(':') },
    isReady: async () => (await resolver.resolve4('ready.test')).length > 0,
  });
  const setFile = (path: string, lines: readonly string[]) => {
    // Whoever reads it now sees all of the one or of the other.
    writeFileSync(`${path}.new`, lines.map((line) => `${line}\n`).join(''));
    renameSync(`${path}.new`, path);
  };
  let revisions = 0;
  setFile(hostsFile, []);
  setFile(configurationFile, configuration);
  await process.start();
  return {
    host,
    process,
    setHosts: async (lines) => {
      // It reads the file some time after the signal; the address of one more name tells that it has.
      const revision = `10.255.${++revisions >> 8}.${revisions & 255}`;
      setFile(hostsFile, [...lines, `${revision} revision.test`]);
      if (process.pid === undefined) return;
      kill(process.pid, 'SIGHUP');
      let known: readonly string[] = [];
      while (!known.includes(revision)) known = await resolver.resolve4('revision.test').catch(() => []);
    },
    setConfiguration: (lines) => setFile(configurationFile, lines),
    dispose: async () => {
      await process.dispose();
      folder.remove();
    },
  };
}

/** Where the libraries of an unpacked program are; none for one of the system. */
function libraries(): readonly string[] {
  const program = findServer('dnsmasq') ?? '';
  const root = join(dirname(program), '../..');
  if (!root.endsWith('.backends')) return [];
  return [join(root, 'usr/lib'), join(root, 'lib')].flatMap((folder) =>
    readdirSync(folder)
      .filter((name) => name.endsWith('-linux-gnu'))
      .map((name) => join(folder, name)),
  );
}
