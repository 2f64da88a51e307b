/**
 * What if the registry is Kubernetes? Then the endpoints of a service are those of its EndpointSlices, documents are
 * ConfigMaps with a label, and nobody registers anything: kubelets do. The API server is asked directly, with a list
 * and a watch of each; no name is resolved, and no proxy of the cluster is passed.
 */
import type { Clock } from '../../core/clock.ts';
import { parseAddress } from '../../core/endpoint.ts';
import type { Random } from '../../core/random.ts';
import { OpenWatches } from '../open-watches.ts';
import type { DocumentStore, EndpointChange, RawDocument, Registry, Sink, Watch } from '../registry.ts';
import { type ReconnectOptions, reconnectDefaults } from '../remote/reconnect-delay.ts';
import { RegistryClient } from '../remote/registry-client.ts';
import { type PortChoice, readSlice } from './endpoint-slice.ts';
import type { KubernetesAccess } from './kubernetes-access.ts';
import { KubernetesDocuments, readConfigMap } from './kubernetes-documents.ts';
import { KubernetesEndpoints, type ServiceNamespace } from './kubernetes-endpoints.ts';
import type { WatchedResource } from './kubernetes-list.ts';
import { KubernetesStore, selectedLabels } from './kubernetes-store.ts';
import { KubernetesWatch, type ObjectSink } from './kubernetes-watch.ts';

/** How a registry over Kubernetes is made. */
export interface KubernetesRegistryOptions extends Partial<ReconnectOptions> {
  readonly access: KubernetesAccess;
  readonly clock: Clock;
  readonly random: Random;
  /** Of documents, and of services whose name has none. Default: that of the access. */
  readonly namespace?: string | undefined;
  /** The port that calls go to where a service has several. Default `http`. */
  readonly portName?: string | undefined;
  /** A label selector of the ConfigMaps that are documents. Default `inmesh.dev/config=true`. */
  readonly selector?: string | undefined;
  /** The context that the access was taken from, where one was named; for the name of the registry. */
  readonly context?: string | undefined;
  /**
   * How long a watch waits at least, and at most half as long again, before it asks again after a status 401 or 403, in
   * ms. Default 30,000: whoever may not read seldom may a second later.
   */
  readonly refusedWaitMs?: number | undefined;
}

export const kubernetesDefaults = Object.freeze({
  portName: 'http',
  selector: 'inmesh.dev/config=true',
  refusedWaitMs: 30_000,
});

/** A slice has at most 1,000 endpoints and 100 as a rule: then a page is below 2 MB. */
const slicesPerPage = 50;

/** A ConfigMap may have 1 MB, and few do. */
const configMapsPerPage = 20;

/** So many namespaces that may not be read are told; a further one is one more host outside of the cluster. */
const maxForbidden = 1_000;

/** Over HTTP/1.1 each watch has a connection of its own, and a mesh has some thousand services at most. */
const connections = 4_096;

/** A name of a service: `reviews`, `reviews.shop`, `reviews.shop.svc`, `reviews.shop.svc.cluster.local`. */
const serviceName = /^([a-z0-9-]{1,63})(?:\.([a-z0-9-]{1,63})(?:\.svc(?:\.cluster\.local\.?)?)?)?$/;

/** A registry over the API of Kubernetes. */
export class KubernetesRegistry implements Registry {
  readonly name: string;
  /** Undefined where the labels of a document do not follow from the selector. */
  readonly store?: DocumentStore;
  private readonly options: KubernetesRegistryOptions;
  private readonly namespace: string;
  private readonly portName: string;
  private readonly selector: string;
  private readonly client: RegistryClient;
  private readonly watches = new OpenWatches();
  /** Namespaces that may not be read, as far as that was told. */
  private readonly forbidden = new Set<string>();

  constructor(options: KubernetesRegistryOptions) {
    const { access, clock, namespace, portName, selector } = options;
    this.options = options;
    this.namespace = namespace ?? access.namespace;
    this.portName = portName ?? kubernetesDefaults.portName;
    this.selector = selector ?? kubernetesDefaults.selector;
    this.name = `kubernetes://${access.host}${access.pathPrefix}/${this.namespace}${choices(options)}`;
    this.client = new RegistryClient({
      name: this.name,
      hosts: [access.host],
      tls: access.tls,
      clock,
      headers: async () => (access.token === undefined ? {} : { authorization: `Bearer ${await access.token()}` }),
      connections,
    });
    const labels = selectedLabels(this.selector);
    if (labels !== undefined) this.store = new KubernetesStore(this.client, clock, this.configMaps(), labels);
  }

  watchDocuments(sink: Sink<readonly RawDocument[]>): Watch {
    return this.start(this.configMaps(), new KubernetesDocuments(this.namespace, sink));
  }

  /**
   * Watches the EndpointSlices of a service. `absent` when there are none, for what is no name of a service, and for one
   * of another namespace that may not be read (status 403), which is told once as an error.
   *
   * @param service `name`, `name.namespace`, `name.namespace.svc` or `name.namespace.svc.cluster.local`; with `:port`,
   * the port of that number is taken, or the only one. (Slices name the ports of pods, not those of the service.)
   */
  watchEndpoints(service: string, sink: Sink<EndpointChange>): Watch {
    const address = parseAddress(service);
    const [, name, namespace = this.namespace] = serviceName.exec(address?.host ?? service) ?? [];
    if (name === undefined) return this.soon(() => sink.absent('1'));
    const port: PortChoice = { name: this.portName, number: address?.port };
    const what = `endpointslices of namespace ${namespace}, service ${name}`;
    const resource = {
      registry: this.name,
      what,
      path: `${this.options.access.pathPrefix}/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`,
      labelSelector: `kubernetes.io/service-name=${name}`,
      pageSize: slicesPerPage,
      read: (object: unknown) => readSlice(object, port),
    };
    const told = new KubernetesEndpoints(`${this.name}: ${what}`, this.namespaceOf(namespace), sink);
    return this.start(resource, told);
  }

  async close(): Promise<void> {
    this.watches.close();
    await this.client.close();
  }

  private namespaceOf(namespace: string): ServiceNamespace {
    const { forbidden } = this;
    return {
      isOwn: namespace === this.namespace,
      forbidden: () => {
        const isNew = !forbidden.has(namespace) && forbidden.size < maxForbidden;
        if (isNew) forbidden.add(namespace);
        return isNew;
      },
    };
  }

  private configMaps(): WatchedResource<ReturnType<typeof readConfigMap>> {
    return {
      registry: this.name,
      what: `configmaps of namespace ${this.namespace}`,
      path: `${this.options.access.pathPrefix}/api/v1/namespaces/${this.namespace}/configmaps`,
      labelSelector: this.selector,
      pageSize: configMapsPerPage,
      read: readConfigMap,
    };
  }

  private start<T>(resource: WatchedResource<T>, sink: ObjectSink<T>): Watch {
    const { client } = this;
    const { clock, random, backoffMs, maxBackoffMs, refusedWaitMs } = this.options;
    const reconnect = {
      backoffMs: backoffMs ?? reconnectDefaults.backoffMs,
      maxBackoffMs: maxBackoffMs ?? reconnectDefaults.maxBackoffMs,
    };
    return this.watches.keep(
      new KubernetesWatch({
        client,
        clock,
        random,
        reconnect,
        refusedWaitMs: refusedWaitMs ?? kubernetesDefaults.refusedWaitMs,
        resource,
        sink,
      }),
    );
  }

  /** Tells something once, when the caller has got his watch. */
  private soon(tell: () => void): Watch {
    let isClosed = false;
    queueMicrotask(() => {
      if (!isClosed) tell();
    });
    return this.watches.keep({
      close: () => {
        isClosed = true;
      },
    });
  }
}

/** What was chosen, as in an address: what one registry reads is not to be taken for what another one does. */
function choices({ context, portName, selector }: KubernetesRegistryOptions): string {
  const given = Object.entries({ context, portName, selector }).filter(([, value]) => value !== undefined);
  return given.length === 0 ? '' : `?${new URLSearchParams(given as [string, string][])}`;
}
