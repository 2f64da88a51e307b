/**
 * Why not `new Headers(reply.headers)`? Filling one costs more than the rest of the response; most callers read one
 * header or none. Reads are answered from what undici parsed, and the real list is filled when somebody iterates.
 */
import { type InspectOptions, inspect } from 'node:util';
import type { ParsedHeaders } from '../core/parsed-headers.ts';

// The type of `Headers` declares its methods as data properties, which a class cannot override with methods.
const PlatformHeaders = Headers as unknown as new () => PlatformMethods;

interface PlatformMethods {
  get(name: string): string | null;
  has(name: string): boolean;
  append(name: string, value: string): void;
  getSetCookie(): string[];
  forEach(callback: (value: string, key: string, parent: Headers) => void): void;
  keys(): IterableIterator<string>;
  values(): IterableIterator<string>;
  entries(): IterableIterator<[string, string]>;
  [inspect.custom](depth: number, options: InspectOptions): string;
}

/** The headers of a reply: a real `Headers`, immutable as those of a fetched response. */
export class ReplyHeaders extends PlatformHeaders {
  readonly #source: ParsedHeaders;
  #filled = false;

  constructor(source: ParsedHeaders) {
    super();
    this.#source = source;
  }

  override get(name: string): string | null {
    if (this.#filled) return this.baseGet(name);
    const lower = name.toLowerCase();
    const value = Object.hasOwn(this.#source, lower) ? this.#source[lower] : undefined;
    if (typeof value === 'string') return value.trim();
    return this.fill().baseGet(name);
  }

  override has(name: string): boolean {
    return this.fill().baseHas(name);
  }

  override getSetCookie(): string[] {
    this.fill();
    return super.getSetCookie();
  }

  override forEach(callback: (value: string, key: string, parent: Headers) => void, thisArg?: unknown): void {
    this.fill();
    super.forEach((value, key) => {
      callback.call(thisArg, value, key, this as unknown as Headers);
    });
  }

  override keys(): IterableIterator<string> {
    this.fill();
    return super.keys();
  }

  override values(): IterableIterator<string> {
    this.fill();
    return super.values();
  }

  override entries(): IterableIterator<[string, string]> {
    this.fill();
    return super.entries();
  }

  [Symbol.iterator](): IterableIterator<[string, string]> {
    return this.entries();
  }

  /** For `console.log`, which else would show the list that is not filled yet. */
  override [inspect.custom](depth: number, options: InspectOptions): string {
    this.fill();
    return super[inspect.custom](depth, options);
  }

  override append(): never {
    throw immutable();
  }

  set(): never {
    throw immutable();
  }

  delete(): never {
    throw immutable();
  }

  private baseGet(name: string): string | null {
    return super.get(name);
  }

  private baseHas(name: string): boolean {
    return super.has(name);
  }

  private fill(): this {
    if (this.#filled) return this;
    this.#filled = true;
    for (const [name, value] of Object.entries(this.#source)) {
      if (Array.isArray(value)) for (const one of value) super.append(name, one);
      else if (value !== undefined) super.append(name, value);
    }
    return this;
  }
}

function immutable(): TypeError {
  return new TypeError('immutable');
}
