/**
 * What does a kubeconfig say? Contexts, each with a cluster and a user. One of them is taken; what cannot be honoured,
 * such as a program that makes tokens, is refused rather than left out. Messages name the file and the field, and never
 * repeat what may be a secret.
 */
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { LineCounter, parseDocument } from 'yaml';
import { MeshError } from '../../core/errors.ts';
import type { RegistryTls } from '../remote/registry-connector.ts';
import { type KubernetesAccess, tokenOf } from './kubernetes-access.ts';

/** A mapping of the file. Nothing is known of it. */
type Fields = Readonly<Record<string, unknown>>;

/** Fields that would have to be honoured, and are not. */
const refusedOfUser = ['exec', 'auth-provider', 'username', 'password', 'as', 'as-uid', 'as-groups', 'as-user-extra'];
const refusedOfCluster = ['insecure-skip-tls-verify', 'proxy-url'];

const defaultNamespace = 'default';

/**
 * The access that a kubeconfig describes.
 *
 * @param path of the file; paths in it are relative to its folder.
 * @param context the name of a context; `current-context` when undefined.
 * @throws MeshError `INMESH_OPTION` when the file cannot be read, lacks something, or asks for what is not supported:
 * `exec` and `auth-provider` plugins, passwords, impersonation, proxies, and servers whose certificate is not verified.
 */
export function kubeconfigAccess(path: string, context: string | undefined): KubernetesAccess {
  const config = readFields(path);
  const contextName = context ?? config['current-context'];
  if (typeof contextName !== 'string' || contextName === '') {
    throw problem(path, 'has no current-context; allowed: context=name in the address');
  }
  const chosen = entry(path, config, 'context', contextName);
  const cluster = entry(path, config, 'cluster', chosen.cluster);
  const user = chosen.user === undefined ? {} : entry(path, config, 'user', chosen.user);
  refuse(path, `cluster ${chosen.cluster}`, cluster, refusedOfCluster);
  refuse(path, `user ${chosen.user}`, user, refusedOfUser);
  const { host, pathPrefix, isSecure } = server(path, cluster);
  return {
    host,
    pathPrefix,
    tls: isSecure ? tlsOf(path, cluster, user) : undefined,
    token: token(path, user),
    namespace: text(path, chosen, 'namespace') ?? defaultNamespace,
  };
}

function readFields(path: string): Fields {
  let source: string;
  try {
    source = readFileSync(path, 'utf8');
  } catch (cause) {
    throw problem(path, `cannot be read: ${(cause as Error).message}`, cause);
  }
  const lineCounter = new LineCounter();
  const document = parseDocument(source, { lineCounter, prettyErrors: false });
  const [error] = document.errors;
  // The messages of the parser quote the source, and that holds tokens.
  if (error !== undefined)
    throw problem(path, `is no YAML: ${error.code} in line ${lineCounter.linePos(error.pos[0]).line}`);
  let value: unknown;
  try {
    value = document.toJS();
  } catch {
    throw problem(path, 'is no YAML: its aliases do not resolve');
  }
  if (!isFields(value)) throw problem(path, 'is no kubeconfig');
  return value;
}

/** The `cluster` of the entry `name` of `clusters`, and so on. */
function entry(path: string, config: Fields, kind: 'context' | 'cluster' | 'user', name: unknown): Fields {
  const list = config[`${kind}s`];
  const named = (Array.isArray(list) ? list : []).filter(isFields);
  const found = named.find((one) => one.name === name)?.[kind];
  if (isFields(found)) return found;
  const known = named.map((one) => String(one.name)).join(', ');
  throw problem(path, `has no ${kind} ${String(name)}; it has: ${known === '' ? 'none' : known}`);
}

function refuse(path: string, what: string, fields: Fields, refused: readonly string[]): void {
  const found = refused.find((name) => fields[name] !== undefined && fields[name] !== false && fields[name] !== '');
  if (found === undefined) return;
  const allowed =
    refused === refusedOfUser
      ? 'token, tokenFile, client-certificate with client-key'
      : 'certificate-authority, certificate-authority-data, tls-server-name';
  throw problem(path, `${what} uses ${found}, which is not supported; allowed: ${allowed}`);
}

function server(path: string, cluster: Fields): { host: string; pathPrefix: string; isSecure: boolean } {
  const given = text(path, cluster, 'server') ?? '';
  const url = URL.parse(given);
  const isSecure = url?.protocol === 'https:';
  if (url === null || (!isSecure && url.protocol !== 'http:') || url.username !== '' || url.password !== '') {
    throw problem(path, 'has a server that is no URL; allowed: https://host:port');
  }
  const port = url.port === '' ? (isSecure ? '443' : '80') : url.port;
  return { host: `${url.hostname}:${port}`, pathPrefix: url.pathname.replace(/\/+$/, ''), isSecure };
}

function tlsOf(path: string, cluster: Fields, user: Fields): RegistryTls {
  const cert = pem(path, user, 'client-certificate');
  const key = pem(path, user, 'client-key');
  if ((cert === undefined) !== (key === undefined)) {
    throw problem(path, 'has one of client-certificate and client-key; allowed: both or none');
  }
  const serverName = text(path, cluster, 'tls-server-name');
  return { ca: pem(path, cluster, 'certificate-authority'), cert, key, serverName };
}

/** The PEM of `<field>-data`, or the path of `<field>`; the former wins, as in kubectl. */
function pem(path: string, fields: Fields, field: string): string | undefined {
  const data = text(path, fields, `${field}-data`);
  if (data === undefined) {
    const file = text(path, fields, field);
    return file === undefined ? undefined : resolve(dirname(path), file);
  }
  const decoded = Buffer.from(data, 'base64').toString('utf8');
  if (!decoded.includes('-----BEGIN')) throw problem(path, `has a ${field}-data that is no PEM in base64`);
  return decoded;
}

/** A file wins over a token that is written down: it is renewed. */
function token(path: string, user: Fields): KubernetesAccess['token'] {
  const file = text(path, user, 'tokenFile');
  if (file !== undefined) return tokenOf(resolve(dirname(path), file));
  const written = text(path, user, 'token');
  return written === undefined ? undefined : () => written;
}

/** A field that is a text; undefined when it is missing or empty. */
function text(path: string, fields: Fields, name: string): string | undefined {
  const value = fields[name];
  if (value === undefined || value === null || value === '') return undefined;
  if (typeof value === 'string') return value;
  throw problem(path, `has a ${name} that is no text`);
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function problem(path: string, what: string, cause?: unknown): MeshError {
  return new MeshError('INMESH_OPTION', `option registry: kubernetes: ${path} ${what}`, { cause });
}
