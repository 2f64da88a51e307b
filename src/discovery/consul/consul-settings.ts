/**
 * What does the address of a Consul registry say? Its servers, where its keys are, who asks, how fresh answers have to
 * be, and which instances count: `consul://host:8500[,host2:8500][/prefix][?parameters]`.
 */
import { MeshError } from '../../core/errors.ts';
import { defaultPrefix } from '../remote/kept-text.ts';
import { type AddressForm, flag, parseRegistryAddress, type RegistryAddress } from '../remote/registry-address.ts';
import type { RegistryTls } from '../remote/registry-connector.ts';
import { ConsulToken } from './consul-token.ts';

/** Parameters of queries, by name. */
export type QueryParameters = Readonly<Record<string, string>>;

/** What an address says, resolved. */
export interface ConsulSettings {
  /** For people, without secrets; another one where something else is read, as in another data centre. */
  readonly name: string;
  /** The same without a path; keys are named by it. */
  readonly root: string;
  readonly hosts: readonly string[];
  /** Of all keys: the path of the address. Default `inmesh`. */
  readonly prefix: string;
  /** Whether the address says so. */
  readonly isPrefixGiven: boolean;
  /** `token`, `tokenFile`, or else the environment variable CONSUL_HTTP_TOKEN. */
  readonly token: ConsulToken;
  /** `tls=true`, with `ca`, `cert`, `key` and `serverName`; undefined for cleartext. */
  readonly tls: RegistryTls | undefined;
  /** How long a query waits for a change at most: `wait`, 1 s to 10 m, in ms. Default 30,000. */
  readonly waitMs: number;
  /**
   * Whether an instance counts only while all of its checks pass: `passing`. Default true. Otherwise those with a
   * warning count too, with their weight for warnings, and those that are critical still do not.
   */
  readonly passing: boolean;
  /** Where: `dc`, `ns` and `partition`. */
  readonly scope: QueryParameters;
  /** Where at an agent, which is of one data centre: `ns` and `partition`. */
  readonly agentScope: QueryParameters;
  /**
   * How fresh. By default any server answers from what it holds (`stale=true`), also while the servers have no leader:
   * an old list of instances is better than none. `stale=false` asks the leader, `consistent=true` a quorum.
   */
  readonly freshness: QueryParameters;
  /** Which instances: `passing`, `near`, `tag` and `filter`. */
  readonly selection: QueryParameters;
}

const tlsParameters = ['ca', 'cert', 'key', 'serverName'] as const;

const form: AddressForm = {
  scheme: 'consul',
  defaultPort: 8500,
  parameters: [
    ...['token', 'tokenFile', 'tls', ...tlsParameters, 'dc', 'ns', 'partition', 'near'],
    ...['stale', 'consistent', 'passing', 'tag', 'filter', 'wait'],
  ],
  example: 'consul://127.0.0.1:8500 or consul://a:8500,b:8500/prefix?dc=dc1',
};

/**
 * A query that is given up occupies a connection of the server for as long, and a server that froze is noticed then: far
 * shorter than the 5 minutes of Consul, and still no load.
 */
const defaultWaitMs = 30_000;
/** Consul waits no longer. */
const maxWaitMs = 600_000;

/**
 * Reads an address.
 *
 * @param rest what follows `consul:`.
 * @param env where CONSUL_HTTP_TOKEN may be.
 * @throws MeshError `INMESH_OPTION` for what is no such address, with the parameter and what is allowed.
 */
export function consulSettings(rest: string, env: Readonly<Record<string, string | undefined>>): ConsulSettings {
  const address = parseRegistryAddress(rest, form);
  const { hosts, name, path, parameters, user, password } = address;
  if (user !== undefined || password !== undefined) throw wrong('a user has no meaning; allowed: parameter token');
  const agentScope = chosen(parameters, ['ns', 'partition']);
  const scope = { ...chosen(parameters, ['dc']), ...agentScope };
  const passing = flag(address, 'passing', true);
  const read = { ...scope, ...chosen(parameters, ['tag', 'filter']), ...(passing ? undefined : { passing: 'false' }) };
  return {
    name: Object.keys(read).length === 0 ? name : `${name}?${new URLSearchParams(read)}`,
    root: `consul://${hosts.join(',')}`,
    hosts,
    prefix: path === '' ? defaultPrefix : path,
    isPrefixGiven: path !== '',
    token: tokenOf(parameters, env),
    tls: tlsOf(address),
    waitMs: waitOf(parameters.get('wait')),
    passing,
    scope,
    agentScope,
    freshness: freshnessOf(address),
    selection: { ...(passing ? { passing: 'true' } : undefined), ...chosen(parameters, ['near', 'tag', 'filter']) },
  };
}

function chosen(parameters: ReadonlyMap<string, string>, names: readonly string[]): QueryParameters {
  return Object.fromEntries(
    names
      .map((name) => [name, parameters.get(name)])
      .filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}

function tokenOf(
  parameters: ReadonlyMap<string, string>,
  { CONSUL_HTTP_TOKEN: ofEnvironment }: Readonly<Record<string, string | undefined>>,
): ConsulToken {
  const [token, file] = [parameters.get('token'), parameters.get('tokenFile')];
  if (token !== undefined && file !== undefined)
    throw wrong('both token and tokenFile are given; allowed: one of them');
  if (token === '' || file === '') throw wrong(`parameter ${token === '' ? 'token' : 'tokenFile'} is empty`);
  return new ConsulToken(file === undefined ? { token: token ?? (ofEnvironment || undefined) } : { file });
}

function tlsOf(address: RegistryAddress): RegistryTls | undefined {
  const given = chosen(address.parameters, tlsParameters);
  if (flag(address, 'tls', false)) return given;
  const [first] = Object.keys(given);
  if (first !== undefined) throw wrong(`parameter ${first} has no effect without tls=true`);
  return undefined;
}

function freshnessOf(address: RegistryAddress): QueryParameters {
  const consistent = flag(address, 'consistent', false);
  const stale = flag(address, 'stale', !consistent);
  if (stale && consistent) throw wrong('both stale and consistent are true; allowed: one of them');
  if (consistent) return { consistent: '' };
  return stale ? { stale: '' } : {};
}

function waitOf(text: string | undefined): number {
  if (text === undefined) return defaultWaitMs;
  const [, count, unit] = /^(\d{1,6})([sm])$/.exec(text) ?? [];
  const ms = Number(count) * (unit === 'm' ? 60_000 : 1_000);
  if (ms > 0 && ms <= maxWaitMs) return ms;
  throw wrong('parameter wait is no duration; allowed: 1s to 600s, 1m to 10m');
}

function wrong(what: string): MeshError {
  return new MeshError('INMESH_OPTION', `option registry: consul: ${what}`);
}
