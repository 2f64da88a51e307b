/**
 * Why an own timer for connections? undici's are coarse (a second), and the system gives up a connection that nobody
 * answers only after 135 seconds.
 */
import type { buildConnector } from 'undici';
import type { Clock, Timer } from '../core/clock.ts';
import { errors } from '../core/undici.ts';

/** What undici calls to make a connection. */
export type Connector = buildConnector.connector;

/** Gives each connection in the making up. */
export type Connecting = Set<(error: Error) => void>;

/**
 * `connect`, but a connection that is not made within `timeoutMs` is a connect failure.
 *
 * @param connecting holds the connections in the making.
 */
export function connectWithin(connect: Connector, timeoutMs: number, clock: Clock, connecting: Connecting): Connector {
  return (options, callback) => {
    let settled = false;
    let timer: Timer | undefined;
    const settle = () => {
      settled = true;
      connecting.delete(giveUp);
      if (timer !== undefined) clock.clearTimer(timer);
    };
    const giveUp = (error: Error) => {
      settle();
      socket?.destroy?.(error);
      callback(error, null);
    };
    // undici's connectors return the socket while it connects, which its types do not say.
    const socket = connect(options, (...result) => {
      if (settled) {
        result[1]?.destroy();
        return;
      }
      settle();
      callback(...(result as Parameters<typeof callback>));
    }) as unknown as { destroy?(error: Error): void } | undefined;
    if (settled) return;
    connecting.add(giveUp);
    timer = clock.setTimer(() => {
      const where = options.port ? `${options.hostname}:${options.port}` : options.hostname;
      giveUp(new errors.ConnectTimeoutError(`no connection to ${where} within connectTimeout ${timeoutMs} ms`));
    }, timeoutMs);
  };
}
