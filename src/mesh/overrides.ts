/**
 * How do overrides of a call reach the options of its route? Laid over them once per view (`mesh.with`) and route, and
 * kept; or once per call when they are given with the call.
 */
import { type CallOptions, type ResolvedCallOptions, resolveCallOptions } from '../core/call-options.ts';

/** Overrides of some calls. */
export class Overrides {
  readonly options: CallOptions;
  private readonly resolved = new WeakMap<ResolvedCallOptions, ResolvedCallOptions>();

  /** @throws MeshError `INMESH_OPTION` for options that are not valid. */
  constructor(options: CallOptions) {
    this.options = options;
  }

  /** These overrides with `further` ones laid over them. */
  and(further: CallOptions): Overrides {
    return new Overrides({ ...this.options, ...further });
  }

  /** The options of a route with these laid over. */
  over(base: ResolvedCallOptions): ResolvedCallOptions {
    let resolved = this.resolved.get(base);
    if (resolved === undefined) {
      resolved = resolveCallOptions(base, this.options);
      this.resolved.set(base, resolved);
    }
    return resolved;
  }
}
