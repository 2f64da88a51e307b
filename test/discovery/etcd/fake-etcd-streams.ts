import type { EtcdPosition } from '../../../src/discovery/etcd/etcd-client.ts';
import type { EtcdParts } from '../../../src/discovery/etcd/etcd-gateway.ts';
import type { EtcdFollower } from '../../../src/discovery/etcd/etcd-stream.ts';
import type { EtcdStreamsSource } from '../../../src/discovery/etcd/etcd-streams.ts';
import type { KeyChange } from '../../../src/discovery/etcd/etcd-wire.ts';

interface FakeWatch {
  readonly id: string;
  readonly prefix: string;
  next: number;
  isCreated: boolean;
}

/** A stream as the server sees it: it says nothing until it is told to. */
export class FakeStream {
  readonly host: string;
  readonly body: string;
  readonly watches: FakeWatch[];
  isOpen = true;
  private readonly etcd: FakeEtcdStreams;
  private readonly chunks: (Buffer | Error | undefined)[] = [];
  private wake: (() => void) | undefined;

  constructor(etcd: FakeEtcdStreams, host: string, body: string, signal: AbortSignal) {
    this.etcd = etcd;
    this.host = host;
    this.body = body;
    const requests = body
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).create_request);
    this.watches = requests.map(({ watch_id: id, key, start_revision: next }) => ({
      id,
      prefix: Buffer.from(key, 'base64').toString(),
      next,
      isCreated: false,
    }));
    signal.addEventListener('abort', () => this.push(signal.reason));
  }

  /** What the server sends: a line. */
  send(line: object): void {
    this.sendBytes(Buffer.from(`${JSON.stringify(line)}\n`));
  }

  sendBytes(bytes: Buffer): void {
    this.push(bytes);
  }

  /** Confirms all watches, or the first `count` of them. */
  confirm(count = this.watches.length): void {
    for (const watch of this.watches.slice(0, count)) {
      if (!watch.isCreated) this.send({ result: { watch_id: watch.id, created: true, header: this.etcd.header } });
      watch.isCreated = true;
    }
  }

  /** Tells what has happened up to a revision, a line a watch. */
  tell(upTo = this.etcd.revision): void {
    for (const watch of this.watches) {
      if (!watch.isCreated) continue;
      const events = this.etcd.changes
        .filter(({ key, revision }) => key.startsWith(watch.prefix) && revision >= watch.next && revision <= upTo)
        .map(({ key, value, revision }) => ({
          ...(value === undefined ? { type: 'DELETE' } : undefined),
          kv: {
            key: Buffer.from(key).toString('base64'),
            mod_revision: String(revision),
            ...(value ? { value: Buffer.from(value).toString('base64') } : undefined),
          },
        }));
      watch.next = Math.max(watch.next, upTo + 1);
      if (events.length > 0) this.send({ result: { watch_id: watch.id, events, header: this.etcd.header } });
    }
  }

  break(error?: Error): void {
    this.push(error);
  }

  async *read(): AsyncGenerator<Buffer> {
    try {
      for (;;) {
        while (this.chunks.length === 0) {
          await new Promise<void>((resolve) => {
            this.wake = resolve;
          });
        }
        const chunk = this.chunks.shift();
        if (chunk === undefined) return;
        if (chunk instanceof Error) throw chunk;
        yield chunk;
      }
    } finally {
      this.isOpen = false;
    }
  }

  private push(chunk: Buffer | Error | undefined): void {
    this.chunks.push(chunk);
    this.wake?.();
  }
}

/** Stands in for the members of a cluster. */
export class FakeEtcdStreams implements EtcdStreamsSource {
  readonly streams: FakeStream[] = [];
  readonly changes: KeyChange[] = [];
  readonly turnedFrom: string[] = [];
  revision = 1;
  cluster = 'one';
  term = 2;
  /** The member that answers. */
  host = 'a:2379';
  questions = 0;
  /** What questions fail with; undefined while they are answered. */
  failure: Error | undefined;

  get header(): object {
    return { revision: String(this.revision) };
  }

  get open(): readonly FakeStream[] {
    return this.streams.filter(({ isOpen }) => isOpen);
  }

  write(key: string, value: string | undefined = ''): void {
    this.revision++;
    this.changes.push({ key, value, revision: this.revision });
  }

  async watch(body: string, { signal }: { signal: AbortSignal }): Promise<EtcdParts> {
    const stream = new FakeStream(this, this.host, body, signal);
    this.streams.push(stream);
    return { host: stream.host, body: stream.read() };
  }

  async position(): Promise<EtcdPosition> {
    this.questions++;
    if (this.failure !== undefined) throw this.failure;
    return { host: this.host, revision: this.revision, cluster: this.cluster, term: this.term };
  }

  turnFrom(host: string): void {
    this.turnedFrom.push(host);
  }
}

/** Remembers what it is told. */
export class FakeFollower implements EtcdFollower {
  readonly prefix: string;
  next: number;
  readonly told: KeyChange[] = [];
  readonly states: string[] = [];

  constructor(prefix: string, next: number) {
    this.prefix = prefix;
    this.next = next;
  }

  get keys(): readonly string[] {
    return this.told.map(({ key }) => key);
  }

  /** What it waits for while it makes sense of changes. */
  reading: Promise<void> | undefined;

  async read(changes: readonly KeyChange[]): Promise<() => void> {
    await this.reading;
    return () => this.told.push(...changes);
  }

  following(): void {
    this.states.push('following');
  }

  failed(error: Error): void {
    this.states.push(`failed: ${error.message}`);
  }

  lost(error: Error | undefined): void {
    this.states.push(error === undefined ? 'lost' : `lost: ${error.message}`);
  }
}
