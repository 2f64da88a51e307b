/**
 * When does a call have to be over? A deadline is an instant of the mesh's clock; a timeout is a duration. Deadlines
 * are combined by taking the earliest (Finagle), and travel as remaining time, so that clocks need not agree.
 */
import { MeshError } from './errors.ts';

/** The header that carries the remaining time, in whole ms. Envoy's name; Envoy itself sends the full timeout. */
export const remainingTimeHeader = 'x-envoy-expected-rq-timeout-ms';

/** An attempt is not started with less than this left: no server answers faster than a loopback round trip. */
export const leastUsefulMs = 1;

/** The earlier of `now + timeoutMs` and what is inherited. */
export function deadlineOf(now: number, timeoutMs: number, inherited: number): number {
  const own = now + timeoutMs;
  return own < inherited ? own : inherited;
}

/** Whether too little is left at `now` to start another attempt. */
export function tooLate(deadline: number, now: number): boolean {
  return deadline - now < leastUsefulMs;
}

/** Whole milliseconds left, at least 1; for the header. */
export function remainingMs(deadline: number, now: number): number {
  return Math.max(1, Math.floor(deadline - now));
}

/** What was timed, and whether retries are included, in words. */
export function timeoutError(
  code: 'INMESH_TIMEOUT' | 'INMESH_HEAD_TIMEOUT' | 'INMESH_ATTEMPT_TIMEOUT' | 'INMESH_DEADLINE' | 'INMESH_BODY_IDLE',
  service: string,
  ms: number,
  attempts: number,
  endpoint?: string,
): MeshError {
  const what = {
    INMESH_TIMEOUT: `the call took longer than timeoutMs ${ms} (retries and body included)`,
    INMESH_HEAD_TIMEOUT: `no head of a reply within headTimeoutMs ${ms} (retries included)`,
    INMESH_ATTEMPT_TIMEOUT: `no head of a reply within perTryTimeoutMs ${ms} (this attempt alone)`,
    INMESH_DEADLINE: 'the deadline of the inbound request passed (retries and body included)',
    INMESH_BODY_IDLE: `no byte of the reply body within bodyIdleMs ${ms}`,
  }[code];
  return new MeshError(code, `${service}: ${what}`, { service, attempts, endpoint });
}
