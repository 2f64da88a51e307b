import { callDefaults } from '../core/call-options.ts';
import type { Clock } from '../core/clock.ts';
import { timeoutError } from '../core/deadline.ts';
import type { Overrides } from '../mesh/overrides.ts';

/**
 * What ends a request that goes on as if there were no mesh: the caller's signal, and `timeoutMs` of his overrides. It is
 * the only one of them that means something there.
 *
 * @throws MeshError `INMESH_OPTION` for overrides that are not valid.
 */
export function passSignal(
  clock: Clock,
  overrides: Overrides | undefined,
  signal: AbortSignal | undefined,
  host: string,
): AbortSignal | undefined {
  const timeoutMs = overrides?.over(callDefaults).timeoutMs ?? Number.POSITIVE_INFINITY;
  if (timeoutMs === Number.POSITIVE_INFINITY) return signal;
  const controller = new AbortController();
  // As AbortSignal.timeout: it is not told when the body has ended, and keeps no process alive.
  clock.setBackgroundTimer(() => controller.abort(timeoutError('INMESH_TIMEOUT', host, timeoutMs, 0)), timeoutMs);
  return signal === undefined ? controller.signal : AbortSignal.any([signal, controller.signal]);
}
