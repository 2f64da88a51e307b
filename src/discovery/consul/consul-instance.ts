/**
 * Which endpoint is an instance of a Consul service?
 *
 * - Its address is that of the service, or else that of its node; tagged addresses do not count.
 * - Its labels are its metadata, and its tags: `version=v1` is the label `version: v1`, and a bare `canary` the label
 *   `canary` with an empty value, so that a subset selects it by `labels: { canary: "" }`. Metadata win over tags.
 * - Its weight is that for a passing instance, or that for one with a warning.
 * - Its locality is `datacenter/node`.
 * - The metadata `inmesh-state: draining` and `inmesh-locality` say what they are named after, and are no labels.
 */
import type { Endpoint } from '../../core/endpoint.ts';
import { readEndpoint } from '../read-endpoint.ts';

/** The keys of metadata that are not labels. */
export const stateKey = 'inmesh-state';
export const localityKey = 'inmesh-locality';

/** An element of `/v1/health/service/:name`, as far as it counts here. */
interface HealthEntry {
  readonly Node?: { readonly Node?: string; readonly Address?: string; readonly Datacenter?: string } | null;
  readonly Service?: {
    readonly ID?: string;
    readonly Address?: string;
    readonly Port?: number;
    readonly Tags?: readonly string[] | null;
    readonly Meta?: Readonly<Record<string, string>> | null;
    readonly Weights?: { readonly Passing?: number; readonly Warning?: number } | null;
  } | null;
  readonly Checks?: readonly { readonly Status?: string }[] | null;
}

/** An endpoint; that an instance does not count; or what is wrong with it. */
export type Instance =
  | { readonly endpoint: Endpoint }
  | { readonly critical: true }
  | { readonly id: string; readonly problem: string };

/** Reads an element of `/v1/health/service/:name`. */
export function readInstance(element: unknown): Instance {
  const { Node: node, Service: service, Checks: checks } = (element ?? {}) as HealthEntry;
  const id = typeof service?.ID === 'string' ? service.ID : '?';
  try {
    const states = new Set((checks ?? []).map(({ Status }) => Status));
    if (states.has('critical')) return { critical: true };
    const { Passing = 1, Warning = 1 } = service?.Weights ?? {};
    const meta = service?.Meta ?? {};
    const endpoint = readEndpoint({
      host: service?.Address || node?.Address,
      port: service?.Port,
      labels: labelsOf(service?.Tags ?? [], meta),
      locality: meta[localityKey] ?? [node?.Datacenter, node?.Node].filter(Boolean).join('/'),
      weight: states.has('warning') ? Warning : Passing,
      state: meta[stateKey] === 'draining' ? 'draining' : 'serving',
    });
    return typeof endpoint === 'string' ? { id, problem: endpoint } : { endpoint };
  } catch (error) {
    return { id, problem: (error as Error).message };
  }
}

/** The label that a tag stands for. */
export function labelOfTag(tag: string): readonly [name: string, value: string] {
  const at = tag.indexOf('=');
  return at > 0 ? [tag.slice(0, at), tag.slice(at + 1)] : [tag, ''];
}

/** Whether a key of metadata is that of a label. */
export function isLabelKey(key: string): boolean {
  return key !== stateKey && key !== localityKey;
}

function labelsOf(tags: readonly string[], meta: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries([...tags.map(labelOfTag), ...Object.entries(meta).filter(([key]) => isLabelKey(key))]);
}
