import type { Mesh } from '../../src/index.ts';

/** Calls that go on until the test has seen enough. */
export class CallerLoad {
  readonly failures: unknown[] = [];
  answered = 0;
  private stopped = false;
  private readonly callers: Promise<void>[];

  /** @param concurrency so many callers, each making one call after the other. */
  constructor(mesh: Mesh, url: string, concurrency = 4) {
    this.callers = Array.from({ length: concurrency }, () => this.run(mesh, url));
  }

  /** Resolves when so many more calls were answered. */
  async more(calls: number): Promise<void> {
    const enough = this.answered + this.failures.length + calls;
    while (this.answered + this.failures.length < enough) await new Promise(setImmediate);
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await Promise.all(this.callers);
  }

  private async run(mesh: Mesh, url: string): Promise<void> {
    while (!this.stopped) {
      try {
        const { statusCode, body } = await mesh.request(url, { mesh: { retries: 0 } });
        await body.text();
        if (statusCode === 200) this.answered++;
        else this.failures.push(statusCode);
      } catch (error) {
        this.failures.push(error);
      }
    }
  }
}
