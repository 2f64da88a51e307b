/**
 * What is told of a service of Kubernetes? All its endpoints after a list, and after that what each slice changes. A
 * slice that cannot be used, because none of its ports is meant, is an error; what it held before stays.
 */
import { MeshError } from '../core/errors.ts';
import type { Slice } from './endpoint-slice.ts';
import { EndpointSlices } from './endpoint-slices.ts';
import type { ObjectSink } from './kubernetes-watch.ts';
import type { EndpointChange, Sink } from './registry.ts';

/** Tells a sink the endpoints of one service. */
export class KubernetesEndpoints implements ObjectSink<Slice | string> {
  /** Of the registry and the service, for messages. */
  private readonly name: string;
  private readonly sink: Sink<EndpointChange>;
  private readonly slices = new EndpointSlices();
  /** What is wrong with slices, by their names. */
  private readonly problems = new Map<string, string>();
  /** What the sink knows: changes build on endpoints only. */
  private told: 'nothing' | 'absent' | 'endpoints' = 'nothing';

  constructor(name: string, sink: Sink<EndpointChange>) {
    this.name = name;
    this.sink = sink;
  }

  listed(objects: ReadonlyMap<string, Slice | string>, version: string): void {
    const slices = new Map<string, Slice>();
    this.problems.clear();
    for (const [name, object] of objects) {
      const slice = typeof object === 'string' ? this.slices.get(name) : object;
      if (typeof object === 'string') this.problems.set(name, object);
      if (slice !== undefined) slices.set(name, slice);
    }
    this.slices.replace(slices);
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
    this.told = 'nothing';
    this.sink.failed(error);
  }

  private tellAll(version: string): void {
    if (this.slices.size > 0) {
      this.told = 'endpoints';
      void this.sink.set({ full: this.slices.endpoints() }, version);
    } else if (this.told !== 'absent' && this.problems.size === 0) {
      this.told = 'absent';
      this.sink.absent(version);
    }
  }

  private tellProblems(): void {
    const [first] = this.problems;
    if (first === undefined) return;
    const [slice, problem] = first;
    this.failed(new MeshError('INMESH_REGISTRY', `${this.name}: slice ${slice}: ${problem}`));
  }
}
