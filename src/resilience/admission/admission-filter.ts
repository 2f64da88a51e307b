/**
 * Which replies say that a service has too much to do? 429 and 503, and that there was no reply: no connection, a broken
 * one, a refused stream, a timeout. Every other status, 500 too, is an answer of a service that took the request. What
 * ended on our side (the caller gave up, a limit of ours was reached, the breaker was open) says nothing of it.
 */
import type { Call } from '../../core/call.ts';
import type { Clock } from '../../core/clock.ts';
import { MeshError } from '../../core/errors.ts';
import type { Filter } from '../../core/filter.ts';
import { type Cause, outcomeOfError } from '../../core/outcome.ts';
import type { Random } from '../../core/random.ts';
import type { Reply } from '../../core/reply.ts';
import { tapFilter } from '../../core/tap.ts';
import type { AdmissionControl } from './admission-control.ts';

/** What the filter needs; the control belongs to a service. */
export interface AdmissionFilterOptions {
  /** For errors. */
  readonly service: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly control: AdmissionControl;
  readonly darkMode: boolean;
  /** Told of each call that was refused, or in dark mode would have been. */
  readonly onRefuse?: () => void;
}

const refusals: ReadonlySet<Cause | undefined> = new Set<Cause>([
  'connect-failure',
  'reset',
  'refused-stream',
  'timeout',
]);

/** Refuses calls with `INMESH_OVERFLOW` to a service that refuses calls. Belongs above the retry: it counts calls. */
export function admissionFilter(options: AdmissionFilterOptions): Filter {
  const { service, clock, random, control, darkMode, onRefuse } = options;
  return tapFilter<Call, Reply, undefined>({
    role: 'admission-control',
    before: ({ criticality }) => {
      const now = clock.now();
      const rejection = control.rejection(now, criticality);
      if (rejection === 0 || random.next() >= rejection) return undefined;
      onRefuse?.();
      if (darkMode) return undefined;
      control.add(now, criticality, false);
      throw refusal(service, criticality);
    },
    succeeded: (call, _state, { status }) => {
      control.add(clock.now(), call.criticality, status !== 429 && status !== 503);
    },
    failed: (call, _state, error) => {
      const { cause } = outcomeOfError(call.cancelled ? call.cancelReason : error);
      if (refusals.has(cause)) control.add(clock.now(), call.criticality, false);
    },
  });
}

function refusal(service: string, criticality: string): MeshError {
  const message = `${service}: refused by admission control, as the service refuses calls (this one is ${criticality})`;
  return new MeshError('INMESH_OVERFLOW', message, { service, attempts: 0 });
}
