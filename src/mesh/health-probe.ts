/**
 * How is an endpoint asked? By a small request, or by a connection and no more, with the TLS, identity and protocol of
 * calls. The connection is apart from those of calls: a slow answer holds up nobody, and an endpoint whose connections
 * are all in use, because it hangs, is asked all the same. It is no call, so it counts in no metric, no load and no
 * ejection.
 */
import { Attempt } from '../core/attempt.ts';
import { Call } from '../core/call.ts';
import { callDefaults } from '../core/call-options.ts';
import type { Clock } from '../core/clock.ts';
import { MeshError, meshErrorOf } from '../core/errors.ts';
import { discardReply } from '../http/discard-reply.ts';
import type { HealthCheckOptions, HealthRequest } from '../resilience/health-check/health-check-options.ts';
import type { HealthVerdict } from '../resilience/health-check/health-checker.ts';
import type { LiveMember } from './live-member.ts';

/** Says who asks, in the log of the server. */
const userAgent = 'inmesh-health-check';

/**
 * Asks `member` of the service `host`. Never rejects.
 *
 * @param running holds the question while it is open, so that it can be cancelled.
 */
export async function probe(
  member: LiveMember,
  host: string,
  { http, timeoutMs }: HealthCheckOptions,
  clock: Clock,
  running: Set<Attempt>,
): Promise<HealthVerdict> {
  const now = clock.now();
  const headers = ['host', host, 'user-agent', userAgent];
  const path = http?.path ?? '/';
  const call = new Call(host, callDefaults, now + timeoutMs, now, 'GET', host, path, headers, null, true);
  const attempt = new Attempt(call, 1, member, now);
  const timer = clock.setBackgroundTimer(() => {
    attempt.cancel(new MeshError('INMESH_ATTEMPT_TIMEOUT', `${host}: no answer within timeout ${timeoutMs} ms`));
  }, timeoutMs);
  running.add(attempt);
  try {
    if (http === undefined) {
      await member.transport.connect(attempt);
      return undefined;
    }
    const reply = await member.transport.probe(attempt);
    discardReply(reply, clock);
    return isGood(reply.status, http) ? undefined : `status ${reply.status}`;
  } catch (error) {
    return meshErrorOf(error)?.code ?? String((error as { code?: unknown } | undefined)?.code ?? error);
  } finally {
    clock.clearTimer(timer);
    running.delete(attempt);
  }
}

function isGood(status: number, { expectedStatuses }: HealthRequest): boolean {
  return expectedStatuses === undefined ? status >= 200 && status < 300 : expectedStatuses.includes(status);
}
