/**
 * What does the address of a registry on the network say? Its servers, a path, who asks, and parameters. Messages never
 * repeat what may be a secret: passwords, the values of parameters, and what stands in the place of a name.
 */
import { parseAddress } from '../../core/endpoint.ts';
import { MeshError } from '../../core/errors.ts';

/** `scheme://user:password@host:port,host2:port/path?name=value`, taken apart. */
export interface RegistryAddress {
  /** `host:port`, in the order given. */
  readonly hosts: readonly string[];
  /** Without slashes at its ends; empty without a path. */
  readonly path: string;
  readonly user: string | undefined;
  readonly password: string | undefined;
  /** The value of a parameter; undefined when it is not given. */
  readonly parameters: ReadonlyMap<string, string>;
  /** For people, without secrets: `consul://127.0.0.1:8500/inmesh`. */
  readonly name: string;
}

/** What an address may say. */
export interface AddressForm {
  readonly scheme: string;
  /** Of a host without one. */
  readonly defaultPort: number;
  /** The names of the parameters. */
  readonly parameters: readonly string[];
  /** For error messages. */
  readonly example: string;
}

/**
 * Takes an address apart.
 *
 * @param rest what follows `scheme:`.
 * @throws MeshError `INMESH_OPTION` for what is no such address, and for a parameter that is unknown or given twice.
 */
export function parseRegistryAddress(rest: string, form: AddressForm): RegistryAddress {
  const { scheme, defaultPort, example } = form;
  const [, userInfo, hostList = '', path = '', query = ''] =
    /^\/\/(?:([^@/?#]*)@)?([^@/?#]+)(\/[^?#]*)?(?:\?([^#]*))?$/.exec(rest) ?? [];
  const hosts = hostList.split(',').map((host) => withPort(host, defaultPort));
  if (!hosts.every((host) => host !== undefined)) {
    throw new MeshError('INMESH_OPTION', `option registry: not an address of ${scheme}://; allowed: ${example}`);
  }
  const trimmed = decode(path, form).replace(/^\/+|\/+$/g, '');
  const [user, password] = (userInfo ?? '').split(/:(.*)/s).map((part) => decode(part, form));
  return {
    hosts,
    path: trimmed,
    user: user === '' ? undefined : user,
    password: userInfo?.includes(':') ? password : undefined,
    parameters: parseParameters(query, form),
    name: `${scheme}://${hosts.join(',')}${trimmed === '' ? '' : `/${trimmed}`}`,
  };
}

/**
 * The parameters of a query.
 *
 * @throws MeshError `INMESH_OPTION` for one that is unknown or given twice.
 */
export function parseParameters(query: string, form: AddressForm): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(query)) {
    if (!form.parameters.includes(name)) {
      const allowed = form.parameters.join(', ');
      const named = isName(name, value) ? `unknown parameter ${name}` : 'unknown parameter';
      throw new MeshError('INMESH_OPTION', `option registry: ${form.scheme}: ${named}; allowed: ${allowed}`);
    }
    if (found.has(name))
      throw new MeshError('INMESH_OPTION', `option registry: ${form.scheme}: parameter ${name} is given twice`);
    found.set(name, value);
  }
  return found;
}

/**
 * A parameter that is `true` or `false`.
 *
 * @throws MeshError `INMESH_OPTION` for anything else.
 */
export function flag({ parameters }: RegistryAddress, name: string, otherwise: boolean): boolean {
  const value = parameters.get(name);
  if (value === undefined) return otherwise;
  if (value === 'true' || value === '') return true;
  if (value === 'false') return false;
  throw new MeshError('INMESH_OPTION', `option registry: parameter ${name} is neither true nor false`);
}

/** Whether a name that is unknown is one: what has no value, or another form, may be a secret that stands alone. */
function isName(name: string, value: string): boolean {
  return /^[A-Za-z]{1,20}$/.test(name) && !/^=*$/.test(value);
}

function withPort(host: string, defaultPort: number): string | undefined {
  const text = parseAddress(host) === undefined ? `${host}:${defaultPort}` : host;
  const address = parseAddress(text);
  return address === undefined || address.socketPath !== undefined ? undefined : text;
}

function decode(text: string, { scheme, example }: AddressForm): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new MeshError('INMESH_OPTION', `option registry: ${scheme}: a % that encodes nothing; allowed: ${example}`);
  }
}
