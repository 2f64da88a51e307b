/**
 * How does a process get at the API of Kubernetes? In a pod with the service account that is mounted into it; elsewhere
 * with a kubeconfig, see {@link import('./kubeconfig.ts').kubeconfigAccess}. What is a file stays one: tokens and
 * authorities are renewed while the process runs, so they are read when they are needed.
 */
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MeshError } from '../../core/errors.ts';
import type { RegistryTls } from '../remote/registry-connector.ts';

/** What is needed to talk to one API server. */
export interface KubernetesAccess {
  /** `host:port`. */
  readonly host: string;
  /** What stands in front of each path of the API, such as `/k8s/clusters/c-1`; empty at most servers. */
  readonly pathPrefix: string;
  /** Undefined for cleartext, as of `kubectl proxy`. */
  readonly tls: RegistryTls | undefined;
  /** The bearer token, asked for with each request; undefined without. */
  readonly token: (() => string | Promise<string>) | undefined;
  /** Of what names none. */
  readonly namespace: string;
}

/** Where a pod finds its service account. */
export const serviceAccountFolder = '/var/run/secrets/kubernetes.io/serviceaccount';

/** The port of the API where the environment names none. */
const defaultPort = 443;

/**
 * The access that a pod has; undefined when the process is in none.
 *
 * @param environment `KUBERNETES_SERVICE_HOST` and `KUBERNETES_SERVICE_PORT` say where the API is.
 * @param folder holds `token`, `ca.crt` and `namespace`.
 * @throws MeshError `INMESH_OPTION` in a pod without a service account.
 */
export function podAccess(
  environment: Readonly<Record<string, string | undefined>>,
  folder = serviceAccountFolder,
): KubernetesAccess | undefined {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port = defaultPort } = environment;
  if (host === undefined || host === '') return undefined;
  return {
    host: host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`,
    pathPrefix: '',
    tls: { ca: join(folder, 'ca.crt') },
    token: tokenOf(join(folder, 'token')),
    namespace: mountedNamespace(join(folder, 'namespace')),
  };
}

/**
 * A token that is read from its file each time: kubelets renew it long before it expires.
 *
 * @returns a function that throws MeshError `INMESH_REGISTRY` when there is none in the file.
 */
export function tokenOf(path: string): () => Promise<string> {
  return async () => {
    let text: string;
    try {
      text = await readFile(path, 'utf8');
    } catch (cause) {
      throw new MeshError('INMESH_REGISTRY', `token ${path}: ${(cause as Error).message}`, { cause });
    }
    const token = text.trim();
    if (!/^[\x21-\x7e]+$/.test(token)) throw new MeshError('INMESH_REGISTRY', `token ${path}: holds no token`);
    return token;
  };
}

function mountedNamespace(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (cause) {
    const message = `option registry: kubernetes: no service account is mounted: ${(cause as Error).message}`;
    throw new MeshError('INMESH_OPTION', `${message}; allowed: automountServiceAccountToken, or kubeconfig=/path`, {
      cause,
    });
  }
}
