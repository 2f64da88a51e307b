/**
 * What must hold in every run, whatever goes wrong in it? These rules. Each is a function of its own over what was
 * written down, and answers with the problems it found: an empty list is good. They know nothing of scenarios, so that
 * every scenario is held to all of them.
 */
import type { Attempt } from '../core/attempt.ts';
import { type RetryBudgetOptions, retryBudgetDefaults } from '../resilience/retry/retry-budget.ts';
import type { ReceivedRequest } from './fake-network.ts';
import type { Announcement, HealthSample, SimulatedCall, SimulationRecord } from './simulation-record.ts';
import type { VirtualClock } from './virtual-clock.ts';

/** Timers count whole ms in places. */
const toleranceMs = 1;

/** Every call ends in exactly one head or error, and every body that is read in exactly one end. */
export function callsThatDoNotSettleOnce(calls: readonly SimulatedCall[]): string[] {
  const problems: string[] = [];
  for (const call of calls) {
    if (call.settledAt.length !== 1) problems.push(`${about(call)} settled ${call.settledAt.length} times`);
    const reads = call.reading ? 1 : 0;
    if (call.readAt.length !== reads) {
      problems.push(`${about(call)}: its body ended ${call.readAt.length} times for its reader; ${reads} is right`);
    }
  }
  return problems;
}

/** Nothing reaches a caller after the deadline of the call, or noticeably after he gave up; nor the head after its own. */
export function callsThatSettleLate(calls: readonly SimulatedCall[]): string[] {
  const problems: string[] = [];
  for (const call of calls) {
    const whole = Math.min(call.deadline, call.abortedAt);
    for (const at of call.settledAt) {
      const limit = Math.min(whole, call.headDeadline);
      if (at > limit + toleranceMs && at > call.startedAt)
        problems.push(`${about(call)} settled at ${at}, after ${limit}`);
    }
    for (const at of call.readAt) {
      if (at > whole + toleranceMs) problems.push(`${about(call)}: its body ended at ${at}, after ${whole}`);
    }
  }
  return problems;
}

/** What the mesh began to do for a call, it says that it ended. */
export function callsThatDoNotEnd({ starts, ends }: SimulationRecord): string[] {
  const open = new Map<string, number>();
  for (const { key } of starts) open.set(key, (open.get(key) ?? 0) + 1);
  for (const { key } of ends) open.set(key, (open.get(key) ?? 0) - 1);
  return [...open]
    .filter(([, count]) => count !== 0)
    .map(([key, count]) => `call ${key}: ${count} more starts than ends`);
}

/**
 * In the second that ends with any retry, the retries of a service are at most its share of that second's calls, or the
 * minimum; and the servers saw no repeat that was not one of these retries.
 *
 * @param budgetOf the budget of a service. Default: that of a service whose document says nothing.
 */
export function retriesBeyondBudget(
  record: Pick<SimulationRecord, 'starts' | 'retries'>,
  received: readonly ReceivedRequest[],
  budgetOf: (service: string) => RetryBudgetOptions = () => retryBudgetDefaults,
): string[] {
  const problems: string[] = [];
  for (const [service, retries] of byService(record.retries)) {
    const calls = (byService(record.starts).get(service) ?? []).map(({ at }) => at);
    const { percent, minRetriesPerSecond } = budgetOf(service);
    retries.forEach(({ at }) => {
      const inSecond = (instant: number) => instant > at - 1000 && instant <= at;
      const made = retries.filter((retry) => inSecond(retry.at)).length;
      const allowed = Math.max(minRetriesPerSecond, (calls.filter(inSecond).length * percent) / 100);
      if (made > allowed)
        problems.push(`${service}: ${made} retries in the second before ${at}; allowed are ${allowed}`);
    });
  }
  const retries = countByKey(record.retries);
  const starts = countByKey(record.starts);
  for (const [key, times] of countByKey(received.filter(hasKey))) {
    const paid = (starts.get(key) ?? 0) + (retries.get(key) ?? 0);
    if (times > paid) problems.push(`call ${key} reached servers ${times} times; ${paid} were announced`);
  }
  return problems;
}

/** A request that must not be repeated is processed by one server at most. */
export function unsafeRepeats(calls: readonly SimulatedCall[], received: readonly ReceivedRequest[]): string[] {
  const processed = countByKey(received.filter((request) => request.processed).filter(hasKey));
  return calls
    .filter((call) => !call.facts.idempotent && (processed.get(call.key) ?? 0) > 1)
    .map((call) => `${about(call)} is not idempotent and was processed ${processed.get(call.key)} times`);
}

/** Of n endpoints at most min(n-1, max(1, ⌊n·p⌋)) are ejected, so one is always left; none when p is 0. */
export function ejectionsBeyondBounds(samples: readonly HealthSample[]): string[] {
  const problems: string[] = [];
  for (const { at, service, endpoints, ejected, maxEjectionPercent } of samples) {
    const share = Math.max(1, Math.floor((endpoints * maxEjectionPercent) / 100));
    const allowed = maxEjectionPercent === 0 ? 0 : Math.max(0, Math.min(endpoints - 1, share));
    if (ejected > allowed)
      problems.push(`${service}: ${ejected} of ${endpoints} ejected at ${at}; allowed are ${allowed}`);
  }
  return problems;
}

/** After a mesh was closed nothing of it is left: no timer, no load on a member, nobody who waits for a cancellation. */
export function leftovers(clock: VirtualClock, record: SimulationRecord, attempts: readonly Attempt[]): string[] {
  const problems: string[] = [];
  if (clock.pendingTimers > 0) {
    problems.push(
      `${clock.pendingTimers} timers are pending, ${clock.pendingBackgroundTimers} of them background timers`,
    );
  }
  for (const member of new Set(attempts.map((attempt) => attempt.member))) {
    if (member.inFlight !== 0) problems.push(`${member.endpoint.host}: ${member.inFlight} are in flight`);
    if (member.oldestWaiting !== Number.POSITIVE_INFINITY)
      problems.push(`${member.endpoint.host}: somebody waits for a head`);
  }
  for (const operation of new Set([...record.meshCalls, ...attempts])) {
    if (operation.listenerCount > 0) problems.push(`${operation.name}: ${operation.listenerCount} listeners are left`);
  }
  return problems;
}

function about(call: SimulatedCall): string {
  return `call ${call.key} (${call.facts.method} ${call.facts.host}, started at ${call.startedAt})`;
}

function hasKey(request: ReceivedRequest): request is ReceivedRequest & { key: string } {
  return request.key !== undefined;
}

function byService(announcements: readonly Announcement[]): Map<string, Announcement[]> {
  return Map.groupBy(announcements, ({ service }) => service);
}

function countByKey(list: readonly { readonly key: string }[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { key } of list) counts.set(key, (counts.get(key) ?? 0) + 1);
  return counts;
}
