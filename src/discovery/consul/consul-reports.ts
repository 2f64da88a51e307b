/**
 * How does an operator learn that a process refused a document? Each mesh keeps a key under `<prefix>/watchers/` that says
 * which version it runs on (NACK). The key hangs on a session of Consul, so that it goes when the process does.
 * Reports are a courtesy: that they cannot be written changes nothing, and is told once.
 */
import { MeshError } from '../../core/errors.ts';
import { events } from '../../core/events.ts';
import type { Random } from '../../core/random.ts';
import type { Verdict } from '../registry.ts';
import { processName, reportText } from '../remote/kept-text.ts';
import { ReconnectDelay } from '../remote/reconnect-delay.ts';
import { Upkeep } from '../remote/upkeep.ts';
import { keyPath } from './consul-keys.ts';
import type { ConsulParts } from './consul-poll.ts';

/** How long a process may be silent before its report goes, in ms; Consul takes up to twice as long. 10,000 at least. */
const sessionTtlMs = 30_000;

/** The end of a process waits this long for its report to go, in ms. */
const closeTimeoutMs = 1_000;

/** So many characters tell apart the meshes of a process, and a container that starts again as process 1. */
const suffixLength = 4;

/** The reports of one mesh of `service`. */
export class ConsulReports {
  private readonly parts: ConsulParts;
  private readonly watcher: string;
  private readonly upkeep: Upkeep;
  private session: string | undefined;
  private text: string | undefined;
  private isWritten = false;
  private version: string | undefined;
  private readonly controller = new AbortController();
  private closing: Promise<void> | undefined;

  constructor(parts: ConsulParts, service: string) {
    this.parts = parts;
    this.watcher = `${service}/${processName()}-${suffix(parts.random)}`;
    this.upkeep = new Upkeep({
      clock: parts.clock,
      delay: new ReconnectDelay(parts.random, parts.backoff),
      intervalMs: sessionTtlMs / 3,
      run: () => this.run(),
      failed: (error) => this.failed(error),
    });
  }

  /** Says what became of a version. */
  report(version: string, verdict: Verdict): void {
    if (verdict.accepted) this.version = version;
    this.text = reportText({
      watcher: this.watcher,
      version: this.version,
      refused: verdict.accepted ? undefined : version,
      problems: verdict.accepted ? [] : verdict.problems,
      reportedAt: this.parts.clock.wallTime(),
    });
    this.isWritten = false;
    this.upkeep.now();
  }

  /** Takes the report back. Never rejects. */
  close(): Promise<void> {
    this.closing ??= this.end();
    return this.closing;
  }

  private async run(): Promise<void> {
    await this.keepSession();
    if (this.isWritten || this.text === undefined) return;
    const { text } = this;
    const { settings } = this.parts.client;
    const key = `${settings.prefix}/watchers/${this.watcher}`;
    const query = { ...settings.scope, acquire: this.session as string };
    const reply = await this.put(keyPath(key), `key ${key}`, { query, body: text });
    if (reply.text.trim() !== 'true') throw this.parts.client.error(`key ${key}`, 'another session holds it');
    this.isWritten = this.text === text;
  }

  private async keepSession(): Promise<void> {
    const { scope } = this.parts.client.settings;
    if (this.session !== undefined) {
      const path = `/v1/session/renew/${this.session}`;
      const { status } = await this.put(path, 'session', { query: scope, accept: [404] });
      if (status === 200) return;
      this.session = undefined;
    }
    this.isWritten = false;
    const body = {
      Name: `inmesh ${this.watcher}`,
      TTL: `${sessionTtlMs}ms`,
      Behavior: 'delete',
      LockDelay: '0s',
      Checks: [],
    };
    const { text } = await this.put('/v1/session/create', 'session', { query: scope, body });
    this.session = this.parts.client.understood('session', () => sessionOf(text));
  }

  private put(path: string, what: string, rest: Partial<Parameters<ConsulParts['client']['send']>[0]>) {
    const { signal } = this.controller;
    return this.parts.client.send({ method: 'PUT', path, what, background: true, signal, ...rest });
  }

  private async end(): Promise<void> {
    this.controller.abort();
    await this.upkeep.end();
    if (this.session === undefined) return;
    const { client } = this.parts;
    const path = `/v1/session/destroy/${this.session}`;
    const query = client.settings.scope;
    // Without an answer it expires.
    await client.send({ method: 'PUT', path, what: 'session', query, timeoutMs: closeTimeoutMs }).catch(() => {});
  }

  private failed(cause: Error): void {
    if (!events.registryError.hasSubscribers) return;
    const { name } = this.parts.client.settings;
    const error = new MeshError('INMESH_REGISTRY', `${name}: reports are not written: ${cause.message}`, { cause });
    events.registryError.publish({ registry: name, error });
  }
}

function suffix(random: Random): string {
  const count = 36 ** suffixLength;
  return Math.floor(random.next() * count)
    .toString(36)
    .padStart(suffixLength, '0');
}

function sessionOf(json: string): string {
  const { ID } = JSON.parse(json) as { ID?: unknown };
  if (typeof ID !== 'string') throw new SyntaxError('a session has no ID');
  return ID;
}
