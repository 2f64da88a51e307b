/**
 * Who sends what built-in fetch asks for? A dispatcher under this symbol, on Node 22 and 24; Node sets it when its own
 * undici is loaded, which is when one of its classes is first touched. That is done here, before undici is imported.
 */

const symbol = Symbol.for('undici.globalDispatcher.1');

void globalThis.Response;

const { [symbol]: ofPlatform } = globalThis as { [symbol]?: unknown };

/** The dispatcher of built-in fetch; `undefined` where there is none. */
export function platformDispatcher(): unknown {
  return (globalThis as { [symbol]?: unknown })[symbol];
}

/** Makes `dispatcher` that of built-in fetch. */
export function setPlatformDispatcher(dispatcher: unknown): void {
  Object.defineProperty(globalThis, symbol, {
    value: dispatcher,
    writable: true,
    enumerable: false,
    configurable: false,
  });
}

/** Undoes what an import has done to built-in fetch since this file was loaded. */
export function restorePlatformDispatcher(): void {
  if (ofPlatform !== undefined && platformDispatcher() !== ofPlatform) setPlatformDispatcher(ofPlatform);
}
