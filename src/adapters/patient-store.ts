/**
 * What if the store of the cache fails? Then there is no cache, and calls are sent: an answer that cannot be kept is still
 * an answer.
 */
import { Readable, type Writable } from 'node:stream';
import type { Clock, Timer } from '../core/clock.ts';
import type { CacheStore } from '../mesh/create-engine.ts';

/** A store that takes longer than this has nothing, in ms. */
const patienceMs = 1_000;

/** `store`, whose failures are misses. */
export function patientStore(store: CacheStore, clock: Clock): CacheStore {
  return {
    get(key) {
      const found = attempt(() => store.get(key));
      return found instanceof Promise ? orNothing(found, clock) : whole(found);
    },
    createWriteStream: (key, value) => {
      const stream = attempt(() => store.createWriteStream(key, value));
      if (stream !== undefined) guard(stream, clock);
      return stream;
    },
    delete: (key) => {
      const deleting = attempt(() => store.delete(key));
      if (deleting instanceof Promise) deleting.catch(() => {});
    },
  };
}

function attempt<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch {
    return undefined;
  }
}

type Found = Awaited<ReturnType<CacheStore['get']>>;

/** An entry that has what it must have; a broken one is none. */
function whole(found: Found): Found {
  if (found === undefined || found === null) return undefined;
  const { statusCode, headers, cachedAt, staleAt, deleteAt } = found;
  const isWhole =
    typeof headers === 'object' &&
    headers !== null &&
    [statusCode, cachedAt, staleAt, deleteAt].every((value) => typeof value === 'number');
  return isWhole ? { ...found, cacheControlDirectives: found.cacheControlDirectives ?? {} } : undefined;
}

function orNothing(found: Promise<Found>, clock: Clock): Promise<Found> {
  let late = false;
  return new Promise((resolve) => {
    const timer = clock.setTimer(() => {
      late = true;
      resolve(undefined);
    }, patienceMs);
    const settle = (value: Found) => {
      clock.clearTimer(timer);
      const { body } = value ?? {};
      // Nobody will read what comes too late.
      if (late && body instanceof Readable) body.on('error', () => {}).destroy();
      resolve(whole(value));
    };
    found.then(settle, () => settle(undefined));
  });
}

/** A stream that fails, or does not take what it is given, is given up: the caller's body would wait for it. */
function guard(stream: Writable, clock: Clock): void {
  let timer: Timer | undefined;
  const disarm = () => {
    if (timer !== undefined) clock.clearTimer(timer);
    timer = undefined;
  };
  const write = stream.write;
  stream.write = function (this: Writable, ...args: unknown[]): boolean {
    const hasRoom = (write as (...args: unknown[]) => boolean).apply(this, args);
    if (!hasRoom) timer ??= clock.setBackgroundTimer(() => stream.destroy(), patienceMs);
    return hasRoom;
  } as typeof stream.write;
  stream.on('drain', disarm);
  stream.on('close', disarm);
  stream.on('error', () => {
    // What could not be kept is asked for again.
  });
}
