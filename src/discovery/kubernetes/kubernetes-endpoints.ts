/**
 * What is told of a service of Kubernetes? All its endpoints after a list, and after that what each slice changes. A
 * slice that cannot be used, because none of its ports is meant, is an error; what it held before stays. And a service
 * of a namespace that may not be read is none: the name may well be that of a host outside of the cluster.
 */
import { MeshError } from '../../core/errors.ts';
import type { EndpointChange, Sink } from '../registry.ts';
import type { Slice } from './endpoint-slice.ts';
import { EndpointSlices } from './endpoint-slices.ts';
import { isForbidden } from './kubernetes-status.ts';
import type { ObjectSink, SinkSession } from './kubernetes-watch.ts';

/** The namespace of a service. */
export interface ServiceNamespace {
  /** Whether the registry is meant to read it. */
  readonly isOwn: boolean;
  /** Notes that it may not be read; whether that is new. */
  forbidden(): boolean;
}

/** Tells a sink the endpoints of one service. */
export class KubernetesEndpoints implements ObjectSink<Slice | string> {
  /** Of the registry and the service, for messages. */
  private readonly name: string;
  private readonly sink: Sink<EndpointChange>;
  private readonly namespace: ServiceNamespace;
  private readonly slices = new EndpointSlices();
  /** What is wrong with slices, by their names. */
  private readonly problems = new Map<string, string>();
  /** What the sink knows: changes build on endpoints only. */
  private told: 'nothing' | 'absent' | 'endpoints' = 'nothing';
  private wasListed = false;

  constructor(name: string, namespace: ServiceNamespace, sink: Sink<EndpointChange>) {
    this.name = name;
    this.namespace = namespace;
    this.sink = sink;
  }

  async listed(
    objects: ReadonlyMap<string, Slice | string>,
    version: string,
    { signal, turns }: SinkSession,
  ): Promise<void> {
    this.wasListed = true;
    const slices = new Map<string, Slice>();
    this.problems.clear();
    for (const [name, object] of objects) {
      const slice = typeof object === 'string' ? this.slices.get(name) : object;
      if (typeof object === 'string') this.problems.set(name, object);
      if (slice !== undefined) slices.set(name, slice);
    }
    await this.slices.replace(slices, turns);
    // Whoever is told begins with a slice of its own.
    if (turns.due) await turns.turn();
    signal.throwIfAborted();
    this.tellAll(version);
    this.tellProblems();
  }

  changed(name: string, object: Slice | string | undefined, version: string): void {
    if (typeof object === 'string') {
      this.problems.set(name, object);
      this.tellProblems();
      return;
    }
    const isRepaired = this.problems.delete(name);
    const change = this.slices.change(name, object);
    if (this.told !== 'endpoints' || this.slices.size === 0 || isRepaired) this.tellAll(version);
    else if (change !== undefined) void this.sink.set(change, version);
  }

  resumed(version: string): void {
    this.tellAll(version);
    this.tellProblems();
  }

  failed(error: Error): void {
    // What was read before stays: then somebody has taken a role away, and the service is one.
    if (isForbidden(error) && !this.namespace.isOwn && !this.wasListed) {
      if (this.namespace.forbidden()) this.sink.failed(error);
      this.tellAbsence('forbidden');
      return;
    }
    this.told = 'nothing';
    this.sink.failed(error);
  }

  private tellAll(version: string): void {
    if (this.slices.size > 0) {
      this.told = 'endpoints';
      void this.sink.set({ full: this.slices.endpoints() }, version);
    } else if (this.problems.size === 0) this.tellAbsence(version);
  }

  private tellAbsence(version: string): void {
    if (this.told === 'absent') return;
    this.told = 'absent';
    this.sink.absent(version);
  }

  private tellProblems(): void {
    const [first] = this.problems;
    if (first === undefined) return;
    const [slice, problem] = first;
    this.failed(new MeshError('INMESH_REGISTRY', `${this.name}: slice ${slice}: ${problem}`));
  }
}
