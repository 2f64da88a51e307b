import type { Criticality } from '../core/criticality.ts';

/** Inbound requests that were turned away, by why and by how critical they were. */
export class ShedCounter {
  private readonly byReason = new Map<string, Map<Criticality, number>>();

  /** @param reason one of a few words of the program. */
  add(reason: string, criticality: Criticality): void {
    let counts = this.byReason.get(reason);
    if (counts === undefined) {
      counts = new Map();
      this.byReason.set(reason, counts);
    }
    counts.set(criticality, (counts.get(criticality) ?? 0) + 1);
  }

  /** What has occurred. */
  samples(): { labels: { reason: string; criticality: Criticality }; value: number }[] {
    return [...this.byReason].flatMap(([reason, counts]) =>
      [...counts].map(([criticality, value]) => ({ labels: { reason, criticality }, value })),
    );
  }
}
