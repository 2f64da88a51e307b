/**
 * Why an own timer for connections? undici's are coarse (a second), and the system gives up a connection that nobody
 * answers only after 135 seconds.
 */
import { type buildConnector, errors } from 'undici';
import type { Clock, Timer } from '../core/clock.ts';

/** What undici calls to make a connection. */
export type Connector = buildConnector.connector;

/** `connect`, but a connection that is not made within `timeoutMs` is a connect failure. */
export function connectWithin(connect: Connector, timeoutMs: number, clock: Clock): Connector {
  return (options, callback) => {
    let settled = false;
    let timer: Timer | undefined;
    // undici's connectors return the socket while it connects, which its types do not say.
    const socket = connect(options, (...result) => {
      if (settled) {
        result[1]?.destroy();
        return;
      }
      settled = true;
      if (timer !== undefined) clock.clearTimer(timer);
      callback(...(result as Parameters<typeof callback>));
    }) as unknown as { destroy?(error: Error): void } | undefined;
    if (settled) return;
    timer = clock.setTimer(() => {
      if (settled) return;
      settled = true;
      const where = options.port ? `${options.hostname}:${options.port}` : options.hostname;
      const error = new errors.ConnectTimeoutError(`no connection to ${where} within connectTimeout ${timeoutMs} ms`);
      socket?.destroy?.(error);
      callback(error, null);
    }, timeoutMs);
  };
}
