/**
 * How is a quantile of the last samples known without sorting them with every pick? They are small integers, so they are
 * counted by value, and the quantile moves by a step or so with each that comes and each that goes.
 */

/** Greater samples count as this: whatever has so much in flight has too much. */
const greatest = 1_023;

/** A quantile of the last samples. */
export class RunningQuantile {
  private readonly quantile: number;
  private readonly samples: Uint16Array;
  private readonly counts = new Uint16Array(greatest + 1);
  private size = 0;
  private place = 0;
  private current = 0;
  /** How many samples are at most {@link current}. */
  private below = 0;

  /**
   * @param quantile 0–1.
   * @param window how many samples count, up to 65,535.
   */
  constructor(quantile: number, window: number) {
    this.quantile = quantile;
    this.samples = new Uint16Array(window);
  }

  /** The least value that the share {@link quantile} of the samples does not exceed; 0 without samples. */
  get value(): number {
    return this.current;
  }

  /** @param sample 0 or more; rounded. */
  add(sample: number): void {
    const { samples, counts } = this;
    if (this.size === samples.length) {
      const oldest = samples[this.place] as number;
      counts[oldest]!--;
      if (oldest <= this.current) this.below--;
    } else this.size++;
    const value = sample < greatest ? Math.round(sample) : greatest;
    samples[this.place] = value;
    counts[value]!++;
    if (value <= this.current) this.below++;
    this.place = this.place + 1 < samples.length ? this.place + 1 : 0;
    this.settle();
  }

  private settle(): void {
    const { counts } = this;
    const wanted = this.quantile * this.size;
    while (this.current < greatest && (this.below < wanted || this.below === 0)) {
      this.current++;
      this.below += counts[this.current] as number;
    }
    while (this.current > 0) {
      const less = this.below - (counts[this.current] as number);
      if (less < wanted || less === 0) break;
      this.below = less;
      this.current--;
    }
  }
}
