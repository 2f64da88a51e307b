/**
 * What does a client hear when a process turns its request away? 503 at once, with when to come back, and that only this
 * process is meant: another one may have room. Nothing of the program has run.
 */
import type { ServerResponse } from 'node:http';
import type { Clock } from '../core/clock.ts';
import { type Criticality, defaultCriticality } from '../core/criticality.ts';
import { MeshError } from '../core/errors.ts';
import { localOverloadHeader } from '../core/outcome.ts';
import type { Random } from '../core/random.ts';
import { EventLoopDelay } from '../resilience/shedding/event-loop-delay.ts';
import { LoadShedder, type ShedOptions, shedDefaults } from '../resilience/shedding/load-shedder.ts';
import type { ShedCounter } from '../telemetry/shed-counter.ts';
import type { ServedRequests } from './served-requests.ts';

/** What shedding has of its mesh. */
export interface InboundSheddingParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly served: ServedRequests;
  readonly counter: ShedCounter;
}

/** A reply of Fastify, which has to know what was answered. */
interface FastifyReply {
  code(status: number): FastifyReply;
  headers(headers: object): FastifyReply;
  send(body: string): unknown;
}

/** Answers a request, unless it is to be served. */
export type Shed = (criticality: Criticality | undefined, response: unknown, answer: ServerResponse) => boolean;

const body = 'overloaded\n';

/** The shedding of a mesh: its middlewares share one look at the event loop. */
export class InboundShedding {
  private readonly parts: InboundSheddingParts;
  private readonly eventLoop: EventLoopDelay;

  constructor(parts: InboundSheddingParts) {
    this.parts = parts;
    this.eventLoop = new EventLoopDelay(parts.clock);
  }

  /**
   * For one middleware.
   *
   * @returns answers a request with 503, and says that it did; says false of one that is to be served.
   * @throws MeshError `INMESH_OPTION` for an unknown option or a value outside its range.
   */
  open(own: Partial<ShedOptions>): Shed {
    const options = resolve(own);
    const { random, served, counter } = this.parts;
    const { eventLoop } = this;
    const shedder = new LoadShedder(options, random);
    const headers = {
      'content-type': 'text/plain',
      'content-length': String(body.length),
      'retry-after': String(Math.ceil(options.retryAfterMs / 1000)),
      [localOverloadHeader]: 'true',
    };
    eventLoop.start();
    return (criticality = defaultCriticality, response, answer) => {
      const reason = shedder.refusal(criticality, served.size, eventLoop.ms);
      if (reason === undefined) return false;
      counter.add(reason, criticality);
      if (options.darkMode) return false;
      if (isFastifyReply(response)) response.code(503).headers(headers).send(body);
      else answer.writeHead(503, headers).end(body);
      return true;
    };
  }

  /** Nothing is turned away any more for the delay of the event loop. */
  close(): void {
    this.eventLoop.close();
  }
}

function isFastifyReply(response: unknown): response is FastifyReply {
  return typeof (response as Partial<FastifyReply>).code === 'function' && 'raw' in (response as object);
}

const isPositiveInteger = (value: unknown) => Number.isSafeInteger(value) && (value as number) >= 1;

/** The longest delay that is told apart from a computer that has slept, in ms. */
const maxDelayMs = 10_000;

const ranges: Readonly<Record<keyof ShedOptions, readonly [allowed: string, has: (value: unknown) => boolean]>> = {
  eventLoopDelayMs: [
    `numbers from 1 to ${maxDelayMs} (ms)`,
    (value) => typeof value === 'number' && value >= 1 && value <= maxDelayMs,
  ],
  maxInFlight: ['integers from 1', isPositiveInteger],
  retryAfterMs: ['integers from 1 (ms)', isPositiveInteger],
  darkMode: ['true and false', (value) => typeof value === 'boolean'],
};

function resolve(own: Partial<ShedOptions>): ShedOptions {
  if (typeof own !== 'object' || own === null) {
    throw new MeshError('INMESH_OPTION', `option shed is ${String(own)}; allowed is an object`);
  }
  const options = { ...shedDefaults } as Record<string, unknown>;
  for (const [name, value] of Object.entries(own)) {
    if (!Object.hasOwn(ranges, name)) {
      const known = Object.keys(ranges).join(', ');
      throw new MeshError('INMESH_OPTION', `unknown option shed.${name}; known are ${known}`);
    }
    if (value === undefined) continue;
    const [allowed, has] = ranges[name as keyof ShedOptions];
    if (!has(value)) {
      throw new MeshError('INMESH_OPTION', `option shed.${name} is ${String(value)}; allowed are ${allowed}`);
    }
    options[name] = value;
  }
  return options as unknown as ShedOptions;
}
