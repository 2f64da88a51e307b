/**
 * How does a watch of Consul follow what it watches? By asking again and again for a later state than the last one it
 * got; Consul answers when there is one, or when the wait is over. The first question does not wait, nor does the first
 * one after a failure or after an index that went backwards: then the servers were restored or another one answered, and
 * a wait for the old index would miss what is between.
 */
import type { Clock } from '../../core/clock.ts';
import type { Random } from '../../core/random.ts';
import type { Watch } from '../registry.ts';
import { backgroundWait } from '../remote/background-wait.ts';
import { ReconnectDelay, type ReconnectOptions } from '../remote/reconnect-delay.ts';
import { type Session, WatchLoop } from '../remote/watch-loop.ts';
import type { ConsulAnswer, ConsulClient, ConsulQuestion } from './consul-client.ts';
import { QueryPace } from './query-pace.ts';

/** What all watches of one registry work with. */
export interface ConsulParts {
  readonly client: ConsulClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly backoff: ReconnectOptions;
}

/** What is followed, and who is told. */
export interface ConsulPollOptions extends ConsulParts {
  readonly question: ConsulQuestion;
  /** Gets each state; also one that is the same as before. */
  readonly take: (answer: ConsulAnswer, signal: AbortSignal) => Promise<void>;
  readonly failed: (error: Error) => void;
}

/** The index to wait for after `index`, when an answer came with `answered`; 0 for not to wait. */
export function nextIndex(index: number, answered: number): number {
  return answered < index ? 0 : answered;
}

/** Follows `question` until it is closed. */
export function pollConsul({ client, clock, random, backoff, question, take, failed }: ConsulPollOptions): Watch {
  const pace = new QueryPace();
  const follow = async ({ signal, progress }: Session) => {
    for (let index = 0; ; ) {
      const delayMs = pace.next(clock.now());
      if (delayMs > 0) await backgroundWait(clock, delayMs, signal);
      const answered = await client.query(question, index, signal, async (answer) => {
        const startedAt = clock.now();
        await take(answer, signal);
        pace.answered(clock.now() - startedAt);
        return answer.index;
      });
      index = nextIndex(index, answered);
      progress();
    }
  };
  return new WatchLoop({ clock, delay: new ReconnectDelay(random, backoff), run: follow, failed });
}
