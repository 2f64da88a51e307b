/**
 * Which cluster does an address of the scheme `kubernetes:` mean? That of a kubeconfig where one is named; else the one
 * that the process runs in; else that of the user's kubeconfig, as with kubectl.
 */
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '../../core/clock.ts';
import { MeshError } from '../../core/errors.ts';
import type { Random } from '../../core/random.ts';
import type { Registry } from '../registry.ts';
import { type AddressForm, parseParameters } from '../remote/registry-address.ts';
import { kubeconfigAccess } from './kubeconfig.ts';
import { type KubernetesAccess, podAccess } from './kubernetes-access.ts';
import { KubernetesRegistry } from './kubernetes-registry.ts';

const form: AddressForm = {
  scheme: 'kubernetes',
  defaultPort: 443,
  parameters: ['kubeconfig', 'context', 'namespace', 'portName', 'selector'],
  example: 'kubernetes: or kubernetes:?kubeconfig=/path&context=name&namespace=shop',
};

/**
 * Opens the registry of an address.
 *
 * @param rest what follows `kubernetes:`.
 * @param environment `KUBERNETES_SERVICE_HOST` tells that the process is in a pod; `KUBECONFIG` names a kubeconfig.
 * @throws MeshError `INMESH_OPTION` for what is no such address, and when there is no way into a cluster.
 */
export function openKubernetes(
  rest: string,
  { clock, random }: { readonly clock: Clock; readonly random: Random },
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Registry {
  const [, query] = /^(?:\?(.*))?$/s.exec(rest) ?? [];
  if (query === undefined && rest !== '') {
    throw new MeshError('INMESH_OPTION', `option registry: not an address of kubernetes:; allowed: ${form.example}`);
  }
  const parameters = parseParameters(query ?? '', form);
  const namespace = parameters.get('namespace');
  if (namespace !== undefined && !/^[a-z0-9-]{1,63}$/.test(namespace)) {
    throw new MeshError('INMESH_OPTION', `option registry: kubernetes: namespace ${namespace} is no name of one`);
  }
  return new KubernetesRegistry({
    access: accessOf(parameters, environment),
    clock,
    random,
    namespace,
    portName: parameters.get('portName'),
    selector: parameters.get('selector'),
    context: parameters.get('context'),
  });
}

function accessOf(
  parameters: ReadonlyMap<string, string>,
  environment: Readonly<Record<string, string | undefined>>,
): KubernetesAccess {
  const [path, context] = [parameters.get('kubeconfig'), parameters.get('context')];
  if (path === undefined && context === undefined) {
    const access = podAccess(environment);
    if (access !== undefined) return access;
  }
  return kubeconfigAccess(path ?? userKubeconfig(environment), context);
}

function userKubeconfig({ KUBECONFIG: path = '' }: Readonly<Record<string, string | undefined>>): string {
  if (path === '') return join(homedir(), '.kube', 'config');
  if (!path.includes(':')) return path;
  // kubectl merges several; which of them would count here is easy to get wrong.
  const message = 'option registry: kubernetes: KUBECONFIG names several files; allowed: one, or kubeconfig=/path';
  throw new MeshError('INMESH_OPTION', message);
}
