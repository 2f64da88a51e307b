/**
 * When do the endpoints of a Consul service change? When another set of instances counts. Consul's index moves more
 * often than that, with each renewal that says something new about a check, and then nothing is told.
 *
 * An instance that is malformed is left out and reported, unless all of them are: then what was told stays.
 */
import { type Endpoint, endpointKey, sameEndpoint } from '../../core/endpoint.ts';
import { LoopTurns } from '../loop-turns.ts';
import type { EndpointChange, Sink, Watch } from '../registry.ts';
import type { ConsulAnswer } from './consul-client.ts';
import { readInstance } from './consul-instance.ts';
import { type ConsulParts, pollConsul } from './consul-poll.ts';

/** What an answer says. */
interface Instances {
  readonly endpoints: ReadonlyMap<string, Endpoint>;
  /** Those that count or not. */
  readonly total: number;
  readonly problems: readonly string[];
  /** Whether the endpoints are those that were told last. */
  readonly isSame: boolean;
}

/** More problems of one answer say nothing new. */
const maxProblems = 10;

/** Watches the instances of one service. */
export function watchConsulEndpoints(parts: ConsulParts, service: string, sink: Sink<EndpointChange>): Watch {
  const told = new ToldEndpoints(parts, service, sink);
  const { client } = parts;
  return pollConsul({
    ...parts,
    question: {
      path: `/v1/health/service/${encodeURIComponent(service)}`,
      query: client.settings.selection,
      what: `service ${service}`,
    },
    take: (answer, signal) => told.take(answer, signal),
    failed: (error) => told.failed(error),
  });
}

/** What one sink was told. */
class ToldEndpoints {
  private readonly parts: ConsulParts;
  private readonly service: string;
  private readonly sink: Sink<EndpointChange>;
  /** The endpoints; undefined before the first, and after anything else. */
  private endpoints: ReadonlyMap<string, Endpoint> | undefined;
  private isAbsent = false;
  private problems = '';

  constructor(parts: ConsulParts, service: string, sink: Sink<EndpointChange>) {
    this.parts = parts;
    this.service = service;
    this.sink = sink;
  }

  async take(answer: ConsulAnswer, signal: AbortSignal): Promise<void> {
    const instances = await this.read(answer);
    const isKnown = instances.total > 0 || (await this.isInCatalog(signal));
    // Somebody who may not see a service is told that there is none.
    if (!isKnown && (answer.isFiltered || !this.isAbsent)) await this.assertReadable(answer.isFiltered, signal);
    signal.throwIfAborted();
    const version = String(answer.index);
    if (!isKnown) this.tellAbsent(version);
    else this.tell(instances, version);
  }

  failed(error: Error): void {
    this.forget();
    this.problems = '';
    this.sink.failed(error);
  }

  private async read({ elements, isFiltered }: ConsulAnswer): Promise<Instances> {
    const turns = new LoopTurns(this.parts.clock);
    const endpoints = new Map<string, Endpoint>();
    const problems: string[] = [];
    let [total, unchanged] = [0, 0];
    for await (const element of elements) {
      total++;
      const instance = readInstance(element);
      if ('endpoint' in instance) {
        const key = endpointKey(instance.endpoint);
        const before = this.endpoints?.get(key);
        const isSame = before !== undefined && sameEndpoint(before, instance.endpoint);
        if (isSame && !endpoints.has(key)) unchanged++;
        // The object that is known already compares faster, here and by whoever is told.
        endpoints.set(key, isSame ? before : instance.endpoint);
      } else if ('problem' in instance && problems.length < maxProblems) {
        problems.push(`instance ${instance.id}: ${instance.problem}`);
      }
      if (turns.due) await turns.turn();
    }
    if (total > 0 && isFiltered) problems.push('permission denied for some of its instances');
    const isSame = unchanged === endpoints.size && endpoints.size === this.endpoints?.size;
    return { endpoints, total, problems, isSame };
  }

  /** A service without an instance that counts exists while it has others. */
  private async isInCatalog(signal: AbortSignal): Promise<boolean> {
    const path = `/v1/catalog/service/${encodeURIComponent(this.service)}`;
    const question = { path, what: `service ${this.service}` };
    return this.parts.client.state(question, signal, async ({ elements }) => {
      for await (const _ of elements) return true;
      return false;
    });
  }

  /** Consul refuses the defaults of a service to who may not read the service, whether it has any or not. */
  private async assertReadable(isFiltered: boolean, signal: AbortSignal): Promise<void> {
    const { client } = this.parts;
    const what = `service ${this.service}`;
    if (isFiltered) throw client.error(what, 'permission denied for its instances; needed: service:read, node:read');
    // No service, but a host elsewhere: a token for a few services must not cut off the rest of the world.
    if (this.service.includes('.')) return;
    await client.assertReadable(`/v1/config/service-defaults/${encodeURIComponent(this.service)}`, what, signal);
  }

  private tellAbsent(version: string): void {
    if (this.isAbsent) return;
    this.forget();
    this.problems = '';
    this.isAbsent = true;
    this.sink.absent(version);
  }

  private tell({ endpoints, problems, isSame }: Instances, version: string): void {
    const text = problems.join('; ');
    const isNew = text !== this.problems;
    const areAllMalformed = endpoints.size === 0 && problems.length > 0;
    this.problems = text;
    if (areAllMalformed) this.forget();
    else if (!isSame || isNew) {
      this.forget();
      this.endpoints = endpoints;
      void this.sink.set({ full: [...endpoints.values()] }, version);
    }
    if (isNew && text !== '') this.sink.failed(this.parts.client.error(`service ${this.service}`, text));
  }

  private forget(): void {
    this.endpoints = undefined;
    this.isAbsent = false;
  }
}
