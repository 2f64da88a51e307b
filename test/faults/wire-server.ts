import type { Socket } from 'node:net';
import type { Bench, Listening } from '../adapters/bench.ts';

/** A request as it came over the wire. */
export interface WireRequest {
  readonly socket: Socket;
  /** The number of this request on its connection, from 1. */
  readonly number: number;
  readonly method: string;
  readonly path: string;
  readonly body: string;
}

/** The answer to most requests. */
export const ok = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';

/** A server that reads requests properly and answers as badly as `answer` likes. Bodies need a content-length. */
export function wireServer(bench: Bench, answer: (request: WireRequest) => void): Promise<Listening<unknown>> {
  return bench.raw((socket) => {
    let text = '';
    let number = 0;
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      for (;;) {
        const headEnd = text.indexOf('\r\n\r\n');
        if (headEnd < 0) return;
        const head = text.slice(0, headEnd);
        const length = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? 0);
        if (text.length < headEnd + 4 + length) return;
        const body = text.slice(headEnd + 4, headEnd + 4 + length);
        text = text.slice(headEnd + 4 + length);
        const [method = '', path = ''] = head.split(' ', 2);
        number++;
        answer({ socket, number, method, path, body });
      }
    });
  });
}
