/**
 * What do users see? Pages are asked for at a fixed rate, whether earlier ones have come or not, and timed from when
 * they were due: a load that waits for answers would not notice that it is kept waiting (coordinated omission).
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Product } from './book-page.ts';

/** One page. */
export interface Sample {
  /** When it was due, of `performance.now()`. */
  readonly dueAt: number;
  readonly latencyMs: number;
  readonly user: string | undefined;
  /** Why it is no page: an error, or that details or reviews are missing; undefined for a good one. */
  readonly failure: string | undefined;
  /** The version of the reviews. */
  readonly version: string | undefined;
  readonly stars: boolean;
}

/** Far above every limit of the mesh: what takes this long has failed. */
const timeoutMs = 10_000;

/** Every so many requests one is of the user. */
const userEvery = 5;

/** Asks for pages until it is stopped. */
export class Load {
  /** The pages that have come so far. */
  readonly samples: Sample[] = [];
  private readonly url: string;
  private readonly intervalMs: number;
  private readonly user: string | undefined;
  private readonly pages = new Set<Promise<void>>();
  private readonly running: Promise<void>;
  private stopping = false;

  /** Starts. With a `user`, every fifth page is theirs. */
  constructor(url: string, pagesPerSecond: number, user: string | undefined) {
    this.url = url;
    this.intervalMs = 1000 / pagesPerSecond;
    this.user = user;
    this.running = this.run();
  }

  /** Waits for what is under way. */
  async stop(): Promise<readonly Sample[]> {
    this.stopping = true;
    await this.running;
    await Promise.all(this.pages);
    return this.samples;
  }

  private async run(): Promise<void> {
    const startedAt = performance.now();
    for (let count = 0; !this.stopping; count++) {
      const dueAt = startedAt + count * this.intervalMs;
      const waitMs = dueAt - performance.now();
      if (waitMs > 0) await sleep(waitMs);
      const page: Promise<void> = this.page(dueAt, count % userEvery === 0 ? this.user : undefined).then((sample) => {
        this.pages.delete(page);
        this.samples.push(sample);
      });
      this.pages.add(page);
    }
  }

  private async page(dueAt: number, user: string | undefined): Promise<Sample> {
    const headers = user === undefined ? {} : { 'end-user': user };
    let product: Product | undefined;
    let failure: string | undefined;
    try {
      const response = await fetch(this.url, { headers, signal: AbortSignal.timeout(timeoutMs) });
      if (response.status === 200) product = (await response.json()) as Product;
      else failure = `status ${response.status}`;
    } catch (error) {
      failure = String((error as Error).cause ?? error);
    }
    const latencyMs = performance.now() - dueAt;
    if (product?.details === null) failure = 'no details';
    if (product?.reviews === null) failure = 'no reviews';
    const reviews = product?.reviews ?? undefined;
    const stars = reviews?.reviews.every(({ rating }) => rating !== undefined) ?? false;
    return { dueAt, latencyMs, user, failure, version: reviews?.version, stars };
  }
}
