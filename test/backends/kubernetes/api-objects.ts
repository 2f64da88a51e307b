/**
 * What does the API server of the tests hold? Objects by resource and namespace, each change with the next version of
 * the one counter of the server, and the changes themselves, for watches that begin at a former version.
 */

/** An object as the API has it. */
export interface ApiObject {
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly resourceVersion?: string;
    readonly [field: string]: unknown;
  };
  readonly [field: string]: unknown;
}

/** A change of an object. */
export interface ApiChange {
  readonly version: number;
  /** Resource and namespace. */
  readonly place: string;
  readonly object: ApiObject;
  /** Undefined for a new one. */
  readonly before: ApiObject | undefined;
  readonly isDeleted: boolean;
}

/** Objects with versions. */
export class ApiObjects {
  version = 100;
  private readonly objects = new Map<string, Map<string, ApiObject>>();
  private changes: ApiChange[] = [];
  /** Watches from a version below this find changes missing. */
  private keptFrom = 0;

  get(place: string, name: string): ApiObject | undefined {
    return this.objects.get(place)?.get(name);
  }

  /** By name, as the server lists them. */
  all(place: string): readonly ApiObject[] {
    const objects = [...(this.objects.get(place)?.values() ?? [])];
    return objects.sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
  }

  put(place: string, object: ApiObject): ApiChange {
    const known = this.objects.get(place) ?? new Map<string, ApiObject>();
    this.objects.set(place, known);
    const { name } = object.metadata;
    const before = known.get(name);
    const version = ++this.version;
    const namespace = place.split('/')[1] ?? '';
    const stored = { ...object, metadata: { ...object.metadata, namespace, resourceVersion: String(version) } };
    known.set(name, stored);
    return this.noted({ version, place, object: stored, before, isDeleted: false });
  }

  delete(place: string, name: string): ApiChange | undefined {
    const object = this.get(place, name);
    if (object === undefined) return undefined;
    this.objects.get(place)?.delete(name);
    const version = ++this.version;
    const deleted = { ...object, metadata: { ...object.metadata, resourceVersion: String(version) } };
    return this.noted({ version, place, object: deleted, before: object, isDeleted: true });
  }

  /** The changes after `version`; undefined when they are not kept any more. */
  since(version: number): readonly ApiChange[] | undefined {
    return version < this.keptFrom ? undefined : this.changes.filter((change) => change.version > version);
  }

  /** Forgets all changes, and counts one of another resource: only watches from now on find what they need. */
  compact(): void {
    this.version++;
    this.keptFrom = this.version;
    this.changes = [];
  }

  private noted(change: ApiChange): ApiChange {
    this.changes.push(change);
    return change;
  }
}

/** Whether an object has the labels of a selector `a=b,c=d`; an empty one selects all. */
export function isSelected({ metadata: { labels = {} } }: ApiObject, selector: string): boolean {
  return selector
    .split(',')
    .filter((term) => term !== '')
    .every((term) => {
      const [name = '', value] = term.split('=');
      return labels[name] === value;
    });
}

/** What a change is to those who watch a selector: an object that loses its label is gone. Undefined when it is nothing. */
export function typeFor(selector: string, { object, before, isDeleted }: ApiChange): string | undefined {
  const was = before !== undefined && isSelected(before, selector);
  if (!isDeleted && isSelected(object, selector)) return was ? 'MODIFIED' : 'ADDED';
  return was ? 'DELETED' : undefined;
}
