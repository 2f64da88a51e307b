/**
 * What if the registry is Kubernetes? Then the endpoints of a service are those of its EndpointSlices, documents are
 * ConfigMaps with a label, and nobody registers anything: kubelets do. The API server is asked directly, with a list
 * and a watch of each; no name is resolved, and no proxy of the cluster is passed.
 */
import type { Clock } from '../core/clock.ts';
import { parseAddress } from '../core/endpoint.ts';
import type { Random } from '../core/random.ts';
import { type PortChoice, readSlice } from './endpoint-slice.ts';
import type { KubernetesAccess } from './kubernetes-access.ts';
import { KubernetesDocuments, readConfigMap } from './kubernetes-documents.ts';
import { KubernetesEndpoints } from './kubernetes-endpoints.ts';
import type { WatchedResource } from './kubernetes-list.ts';
import { KubernetesStore, selectedLabels } from './kubernetes-store.ts';
import { KubernetesWatch, type ObjectSink } from './kubernetes-watch.ts';
import { type ReconnectOptions, reconnectDefaults } from './reconnect-delay.ts';
import type { DocumentStore, EndpointChange, RawDocument, Registry, Sink, Watch } from './registry.ts';
import { RegistryClient } from './registry-client.ts';

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
}

export const kubernetesDefaults = Object.freeze({ portName: 'http', selector: 'inmesh.dev/config=true' });

/** A slice has at most 1,000 endpoints and 100 as a rule: a page is below 2 MB. */
const slicesPerPage = 50;

/** A ConfigMap may have 1 MB, and few do. */
const configMapsPerPage = 20;

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
  private readonly watches = new Set<Watch>();

  constructor(options: KubernetesRegistryOptions) {
    const { access, clock, namespace, portName, selector } = options;
    this.options = options;
    this.namespace = namespace ?? access.namespace;
    this.portName = portName ?? kubernetesDefaults.portName;
    this.selector = selector ?? kubernetesDefaults.selector;
    this.name = `kubernetes://${access.host}${access.pathPrefix}/${this.namespace}`;
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
   * Watches the EndpointSlices of a service. `absent` when there are none, and for what is no name of a service.
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
    return this.start(resource, new KubernetesEndpoints(`${this.name}: ${what}`, sink));
  }

  async close(): Promise<void> {
    for (const watch of this.watches) watch.close();
    this.watches.clear();
    await this.client.close();
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
    const { clock, random, backoffMs, maxBackoffMs } = this.options;
    const reconnect = {
      backoffMs: backoffMs ?? reconnectDefaults.backoffMs,
      maxBackoffMs: maxBackoffMs ?? reconnectDefaults.maxBackoffMs,
    };
    return this.keep(new KubernetesWatch({ client: this.client, clock, random, reconnect, resource, sink }));
  }

  /** Tells something once, when the caller has got his watch. */
  private soon(tell: () => void): Watch {
    let isClosed = false;
    queueMicrotask(() => {
      if (!isClosed) tell();
    });
    return this.keep({
      close: () => {
        isClosed = true;
      },
    });
  }

  private keep(watch: Watch): Watch {
    this.watches.add(watch);
    return {
      close: () => {
        watch.close();
        this.watches.delete(watch);
      },
    };
  }
}
