/**
 * Is this still the cluster that watches broke off from? One that was wiped, or restored from a backup, may have the same
 * name, and its revision may have passed ours. But it was down as a whole before: whoever waited while no member
 * answered is in doubt, and reads anew.
 */
import type { EtcdPosition } from './etcd-client.ts';

/** What is known about the cluster of one registry. */
export class EtcdKnownCluster<F> {
  private cluster: string | undefined;
  private term = 0;
  private readonly doubtful = new Set<F>();

  /** No member answered while this one waited. */
  doubt(follower: F): void {
    this.doubtful.add(follower);
  }

  forget(follower: F): void {
    this.doubtful.delete(follower);
  }

  /**
   * Those who cannot go on from where they are.
   *
   * @param before those who waited when the cluster was asked, and what they had not been told then.
   */
  lostAt(position: EtcdPosition, before: ReadonlyMap<F, number>): F[] {
    const { revision = Number.POSITIVE_INFINITY, cluster = this.cluster, term = this.term } = position;
    const isOther = (this.cluster !== undefined && this.cluster !== cluster) || term < this.term;
    this.cluster = cluster;
    this.term = term;
    const lost = [...before].filter(([follower, next]) => {
      return isOther || next > revision + 1 || this.doubtful.has(follower);
    });
    return lost.map(([follower]) => follower);
  }
}
