/**
 * Which options of undici does the mesh have under names of its own? These; `mesh` wins over them.
 */
import type { CallOptions } from '../core/call-options.ts';

/** Options of `undici.request` and `dispatch` that are overrides in the mesh. */
export interface UndiciOverrides {
  /** As `headTimeoutMs`, in ms; 0 for none. */
  headersTimeout?: number | null | undefined;
  /** As `bodyIdleMs`, in ms; 0 for none. */
  bodyTimeout?: number | null | undefined;
  /** Whether sending the request twice does no harm. */
  idempotent?: boolean | undefined;
  /** Overrides of this call. */
  mesh?: CallOptions | null | undefined;
}

/** `options` as overrides of a call; `undefined` when there are none. */
export function undiciOverrides(options: UndiciOverrides): CallOptions | undefined {
  const { mesh, headersTimeout, bodyTimeout, idempotent } = options;
  if (headersTimeout == null && bodyTimeout == null && idempotent === undefined) return mesh ?? undefined;
  return {
    ...(headersTimeout == null ? undefined : { headTimeoutMs: headersTimeout || false }),
    ...(bodyTimeout == null ? undefined : { bodyIdleMs: bodyTimeout || false }),
    ...(idempotent === undefined ? undefined : { idempotent }),
    ...mesh,
  };
}
