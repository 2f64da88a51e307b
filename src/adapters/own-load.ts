/**
 * What does this process say of its load? An ORCA report in the replies of `mesh.inbound({ reportLoad: true })`: CPU, event
 * loop and memory, requests in flight and a second. A single thread is busy when its event loop is, however many
 * cores are idle, so that is the `application_utilization`, which load balancers read first.
 */
import type { ServerResponse } from 'node:http';
import { availableParallelism, totalmem } from 'node:os';
import { performance } from 'node:perf_hooks';
import type { Clock } from '../core/clock.ts';
import { loadReportHeader } from '../http/load-report.ts';
import type { ServedRequests } from './served-requests.ts';

/** What a process has used so far. */
export interface ProcessUsage {
  /** CPU time, in ms. */
  cpuMs(): number;
  /** How long the event loop has been busy, in ms. */
  loopBusyMs(): number;
  /** The part of the memory in use now, 0–1. */
  memory(): number;
}

/** The process is measured at most this often, in ms: it takes some 10 µs. */
const reportMs = 100;

/** Rates are those of the last one to two times this, in ms. */
const windowMs = 1_000;

interface Sample {
  readonly at: number;
  readonly cpuMs: number;
  readonly loopBusyMs: number;
  readonly requests: number;
  readonly errors: number;
}

/** What the process that this runs in has used. */
export const processUsage: ProcessUsage = {
  cpuMs() {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1_000;
  },
  loopBusyMs: () => performance.eventLoopUtilization().active,
  memory() {
    const limit = process.constrainedMemory();
    const total = totalmem();
    // Without a limit it is 0, or more than there is.
    return process.memoryUsage.rss() / (limit > 0 && limit < total ? limit : total);
  },
};

/** The load of this process, as its replies tell it. */
export class OwnLoad {
  private readonly clock: Clock;
  private readonly served: ServedRequests;
  private readonly usage: ProcessUsage;
  private readonly cores = availableParallelism();
  private requests = 0;
  private errors = 0;
  private before: Sample;
  private latest: Sample;
  private madeAt = Number.NEGATIVE_INFINITY;
  /** All but the requests in flight, which change with each reply. */
  private usageText = '';

  constructor(clock: Clock, served: ServedRequests, usage: ProcessUsage = processUsage) {
    this.clock = clock;
    this.served = served;
    this.usage = usage;
    this.latest = this.sample(clock.now());
    this.before = this.latest;
  }

  /** Lets `answer` tell the load as it is when its head goes out. */
  report(answer: ServerResponse): void {
    const own = this;
    const { writeHead } = answer;
    answer.writeHead = function (this: ServerResponse, ...args: unknown[]) {
      if (!this.headersSent) {
        own.requests++;
        if ((args[0] as number) >= 500) own.errors++;
        this.setHeader(loadReportHeader, own.text);
      }
      return (writeHead as (...args: unknown[]) => ServerResponse).apply(this, args);
    } as typeof answer.writeHead;
  }

  private get text(): string {
    const now = this.clock.now();
    if (now - this.madeAt >= reportMs) {
      this.usageText = this.measure(this.sample(now));
      this.madeAt = now;
    }
    return `TEXT named_metrics.rif=${this.served.size},${this.usageText}`;
  }

  private measure(sample: Sample): string {
    const { before, latest } = this;
    const elapsedMs = sample.at - before.at;
    const metrics = [`mem_utilization=${rounded(this.usage.memory())}`];
    if (elapsedMs > 0) {
      const perSecond = (count: number) => rounded((count * 1_000) / elapsedMs);
      metrics.push(
        `cpu_utilization=${rounded((sample.cpuMs - before.cpuMs) / elapsedMs / this.cores)}`,
        `application_utilization=${rounded(Math.min(1, (sample.loopBusyMs - before.loopBusyMs) / elapsedMs))}`,
        `rps_fractional=${perSecond(sample.requests - before.requests)}`,
        `eps=${perSecond(sample.errors - before.errors)}`,
      );
    }
    const sinceMs = sample.at - latest.at;
    if (sinceMs >= windowMs) {
      // What was before a pause is long ago.
      this.before = sinceMs < 2 * windowMs ? latest : sample;
      this.latest = sample;
    }
    return metrics.join(',');
  }

  private sample(at: number): Sample {
    const { usage, requests, errors } = this;
    return { at, cpuMs: usage.cpuMs(), loopBusyMs: usage.loopBusyMs(), requests, errors };
  }
}

function rounded(value: number): number {
  return Math.round(value * 10_000) / 10_000;
}
