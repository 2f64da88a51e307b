/**
 * Does an endpoint take a connection? This makes one, with its handshake, and drops it.
 */
import type { Operation } from '../core/operation.ts';
import type { Connecting, Connector } from './connect-within.ts';

/**
 * Resolves when the connection was made; rejects with its error, or with the reason of a cancellation of `operation`.
 *
 * @param connecting where `connect` holds what it has in the making.
 */
export function tryConnect(
  connect: Connector,
  target: Parameters<Connector>[0],
  connecting: Connecting,
  operation: Operation,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const onCancel = (reason: unknown) => {
      for (const giveUp of connecting) giveUp(reason as Error);
    };
    operation.onCancel(onCancel);
    connect(target, (error, socket) => {
      operation.offCancel(onCancel);
      socket?.destroy();
      if (error === null) resolve();
      else reject(error);
    });
  });
}
