/**
 * How many connections does a service have, and how many wait for one? Counted when somebody asks.
 */
import type { PoolState } from '../telemetry/service-metrics.ts';
import type { Cluster } from './cluster.ts';
import type { LiveMember } from './live-member.ts';

/** The state of the connections to `members`, and of the queues of `views`. */
export function poolState(members: Iterable<LiveMember>, views: Iterable<Cluster>): PoolState {
  let connections = 0;
  let running = 0;
  for (const { transport } of members) {
    const { stats } = transport;
    connections += stats.connected;
    running += stats.running;
  }
  let pending = 0;
  for (const view of views) pending += view.pending;
  return { connections, pending, running };
}
