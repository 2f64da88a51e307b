/**
 * Where does a request end up that names a service of Consul? In Consul a router leads to splitters, splitters to further
 * splitters or to resolvers, and resolvers to one another; in a document a rule leads straight to services and subsets.
 * So each way is walked to its end here, as Consul does in its discovery chain (agent/consul/discoverychain).
 */
import {
  EntryProblem,
  type EntryProblems,
  type Fields,
  isHost,
  objects,
  otherFields,
  requireLocal,
  requireOnly,
  text,
} from './consul-entry.ts';
import type { Resolver } from './consul-service-entries.ts';

/** An end of a way. */
export interface Destination {
  readonly service: string;
  readonly subset: string | undefined;
}

/** One of several ends, with its share of the whole. */
export interface SharedDestination extends Destination {
  readonly share: number;
}

const splitFields = ['Weight', 'Service', 'ServiceSubset', 'Namespace', 'Partition'];

/** What is dropped of a split without a change of where a request goes. */
const droppable = ['RequestHeaders', 'ResponseHeaders'];

/** More redirects or splitters in a row are a circle. */
const maxSteps = 20;

/** The ends of ways. Names count in lower case. */
export class Destinations {
  private readonly resolvers: ReadonlyMap<string, Resolver>;
  private readonly splitters: Map<string, Fields>;
  private readonly problems: EntryProblems;
  private readonly split = new Map<string, readonly SharedDestination[]>();

  constructor(
    resolvers: ReadonlyMap<string, Resolver>,
    splitters: ReadonlyMap<string, Fields>,
    problems: EntryProblems,
  ) {
    this.resolvers = resolvers;
    this.splitters = new Map(splitters);
    this.problems = problems;
  }

  /**
   * The ends of `service`, or of one of its subsets.
   *
   * @throws EntryProblem when a redirect or a subset cannot be had.
   */
  of(service: string, subset: string | undefined): readonly SharedDestination[] {
    const splits = subset === undefined ? this.splitsOf(service, 0) : undefined;
    return splits ?? [{ ...this.resolve(service, subset), share: 1 }];
  }

  private splitsOf(service: string, steps: number): readonly SharedDestination[] | undefined {
    const name = service.toLowerCase();
    const known = this.split.get(name);
    if (known !== undefined) return known;
    const entry = this.splitters.get(name);
    if (entry === undefined) return undefined;
    const splits = this.problems.attempt(entry, () => this.readSplits(entry, steps));
    if (splits === undefined) this.splitters.delete(name);
    else this.split.set(name, splits);
    return splits;
  }

  private readSplits(entry: Fields, steps: number): readonly SharedDestination[] {
    if (steps > maxSteps) throw new EntryProblem('Splits: lead in a circle');
    const splits = objects(entry.Splits);
    const total = splits.reduce((sum, { Weight }) => sum + weightOf(Weight), 0);
    if (total <= 0) throw new EntryProblem('Splits: have no weight');
    return splits.flatMap((split, index) => {
      const place = `Splits[${index}].`;
      requireLocal(split, entry, place);
      requireOnly(split, [...splitFields, ...droppable], place);
      for (const field of otherFields(split, splitFields)) {
        this.problems.dropped(entry, `${place}${field}`, 'not supported');
      }
      const service = text(split.Service) ?? String(entry.Name);
      const subset = text(split.ServiceSubset);
      const share = weightOf(split.Weight) / total;
      const isOther = subset === undefined && service.toLowerCase() !== String(entry.Name).toLowerCase();
      const further = isOther ? this.splitsOf(service, steps + 1) : undefined;
      const ends = further ?? [{ ...this.resolve(service, subset), share: 1 }];
      return ends.map((end) => ({ ...end, share: end.share * share }));
    });
  }

  private resolve(service: string, subset: string | undefined): Destination {
    let [current, part] = [service, subset];
    for (let steps = 0; steps <= maxSteps; steps++) {
      const resolver = this.resolvers.get(current.toLowerCase());
      const redirect = (resolver?.entry.Redirect ?? {}) as Fields;
      if (resolver !== undefined && Object.keys(redirect).length > 0) {
        requireLocal(redirect, resolver.entry, `${current}: Redirect.`);
        requireOnly(redirect, ['Service', 'ServiceSubset', 'Namespace', 'Partition'], `${current}: Redirect.`);
        current = text(redirect.Service) ?? current;
        part = text(redirect.ServiceSubset);
        continue;
      }
      part ??= text(resolver?.entry.DefaultSubset);
      if (part !== undefined && !resolver?.subsets.has(part)) {
        throw new EntryProblem(`${current} has no subset ${part} that can be had`);
      }
      if (!isHost(current)) throw new EntryProblem(`${current} is no host name`);
      return { service: current, subset: part };
    }
    throw new EntryProblem(`${service}: Redirect: leads in a circle`);
  }
}

function weightOf(value: unknown): number {
  return typeof value === 'number' && value > 0 ? value : 0;
}

/** The least integers that have the shares of `destinations`, to a millionth. */
export function weightsOf(destinations: readonly SharedDestination[]): readonly number[] {
  const weights = destinations.map(({ share }) => Math.round(share * 1_000_000));
  const divisor = weights.reduce(greatestCommonDivisor, 0) || 1;
  return weights.map((weight) => weight / divisor);
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
