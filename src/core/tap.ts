/**
 * Why is a layer that only watches not a filter like others? Because each filter costs a promise and a turn of the
 * microtask queue, and most layers never change a result: they count, time, and release. Neighbouring taps of a stack
 * share one promise; their order, and what each sees, is the same as if they were filters of their own.
 */
import type { Filter, Next, Tap } from './filter.ts';
import type { Operation } from './operation.ts';

/** A filter that is one tap. In a stack it is fused with its neighbours. */
export function tapFilter<O extends Operation, R, S>(own: Tap<O, R, S>): Filter<O, R> {
  const tap = own as Tap<O, R>;
  return { role: tap.role, apply: (operation, next) => fuseTaps([tap], next)(operation), tap };
}

/** `next` under all of `taps`, outermost first. */
export function fuseTaps<O extends Operation, R>(taps: readonly Tap<O, R>[], next: Next<O, R>): Next<O, R> {
  const count = taps.length;
  const aroundIndex = taps.findIndex((tap) => tap.around !== undefined);
  const around = taps[aroundIndex]?.around;
  return (operation) => {
    const states = new Array<unknown>(count);
    let running: Promise<R>;
    let begun = 0;
    try {
      for (; begun < count; begun++) states[begun] = (taps[begun] as Tap<O, R>).before(operation);
      running = around === undefined ? next(operation) : around(states[aroundIndex], next, operation);
    } catch (error) {
      fail(taps, begun, operation, states, error);
      return Promise.reject(error);
    }
    return running.then(
      (result) => {
        for (let index = count - 1; index >= 0; index--) {
          (taps[index] as Tap<O, R>).succeeded(operation, states[index], result);
        }
        return result;
      },
      (error) => {
        fail(taps, count, operation, states, error);
        throw error;
      },
    );
  };
}

/** Tells the first `count` taps, innermost first. */
function fail<O extends Operation, R>(
  taps: readonly Tap<O, R>[],
  count: number,
  operation: O,
  states: readonly unknown[],
  error: unknown,
): void {
  for (let index = count - 1; index >= 0; index--) {
    (taps[index] as Tap<O, R>).failed(operation, states[index], error);
  }
}
