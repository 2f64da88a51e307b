/**
 * How is a line of a watch stream read that has 10,000 changes? Its changes are parsed some at a time, and the event loop
 * may turn between. All texts within them are base64 or numbers, so that `},{` stands between two changes only.
 */

import type { LoopTurns } from '../loop-turns.ts';
import { type EtcdEvent, type EtcdHeader, notEtcd } from './etcd-wire.ts';

/** A line of a stream. */
export interface WatchLine {
  readonly error?: object;
  readonly result?: {
    readonly header?: EtcdHeader;
    readonly watch_id?: string;
    readonly created?: boolean;
    readonly canceled?: boolean;
    readonly cancel_reason?: string;
    readonly compact_revision?: string;
    readonly events?: readonly EtcdEvent[];
  };
}

/** To parse so many characters takes a fraction of a slice. */
const pieceLength = 64 * 1024;

/** @throws Error for what is no line of etcd. */
export async function readWatchLine(text: string, turns: LoopTurns): Promise<WatchLine> {
  const start = text.indexOf('"events":[') + '"events":['.length;
  const end = text.lastIndexOf(']');
  if (text.length <= pieceLength || end < start) return parse(text);
  const line = parse(`${text.slice(0, start)}${text.slice(end)}`);
  const events: EtcdEvent[] = [];
  for (let at = start; at < end; ) {
    await turns.turn();
    const cut = text.indexOf('},{', at + pieceLength);
    const next = cut === -1 ? end : cut + 1;
    for (const event of JSON.parse(`[${text.slice(at, next)}]`)) events.push(event);
    at = next + 1;
  }
  return { ...line, result: { ...line.result, events } };
}

function parse(text: string): WatchLine {
  const line: unknown = JSON.parse(text);
  if (typeof line !== 'object' || line === null) throw notEtcd();
  return line;
}
