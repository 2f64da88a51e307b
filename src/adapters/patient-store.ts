/**
 * What if the store of the cache fails? Then there is no cache, and calls are sent: an answer that cannot be kept is still
 * an answer.
 */
import type { Clock } from '../core/clock.ts';
import type { CacheStore } from '../mesh/create-engine.ts';

/** A store that takes longer than this has nothing, in ms. */
const patienceMs = 1_000;

/** `store`, whose failures are misses. */
export function patientStore(store: CacheStore, clock: Clock): CacheStore {
  return {
    get(key) {
      const found = attempt(() => store.get(key));
      return found instanceof Promise ? orNothing(found, clock) : found;
    },
    createWriteStream: (key, value) => {
      const stream = attempt(() => store.createWriteStream(key, value));
      stream?.on('error', () => {
        // What could not be kept is asked for again.
      });
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

function orNothing<T>(found: Promise<T>, clock: Clock): Promise<T | undefined> {
  return new Promise((resolve) => {
    const timer = clock.setTimer(() => resolve(undefined), patienceMs);
    const settle = (value: T | undefined) => {
      clock.clearTimer(timer);
      resolve(value);
    };
    found.then(settle, () => settle(undefined));
  });
}
