/**
 * Does an endpoint take a connection? This makes one, with its handshake, and drops it.
 */
import type { Clock } from '../core/clock.ts';
import { type Endpoint, endpointKey } from '../core/endpoint.ts';
import type { Operation } from '../core/operation.ts';
import { type Connecting, type Connector, connectWithin } from './connect-within.ts';

/** How to connect. */
export interface ConnectTry {
  readonly connector: Connector;
  readonly endpoint: Endpoint;
  readonly secure: boolean;
  readonly serverName: string;
  readonly timeoutMs: number;
  readonly clock: Clock;
}

/** Resolves when the connection was made; rejects with the error, or the reason of a cancellation of `operation`. */
export function tryConnect(
  { connector, endpoint, secure, serverName, timeoutMs, clock }: ConnectTry,
  operation: Operation,
): Promise<void> {
  const connecting: Connecting = new Set();
  return new Promise((resolve, reject) => {
    const onCancel = (reason: unknown) => {
      for (const giveUp of connecting) giveUp(reason as Error);
    };
    operation.onCancel(onCancel);
    const target = {
      hostname: endpoint.host,
      host: endpointKey(endpoint),
      port: String(endpoint.port),
      protocol: secure ? 'https:' : 'http:',
      servername: serverName,
    };
    connectWithin(
      connector,
      timeoutMs,
      clock,
      connecting,
    )(target, (error, socket) => {
      operation.offCancel(onCancel);
      socket?.destroy();
      if (error === null) resolve();
      else reject(error);
    });
  });
}
