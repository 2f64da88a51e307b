/**
 * How does a service come to secured connections? From a share of a certificate source; each pool gets a connector of
 * its own made from what the source holds when the pool is made. When that changes, the service makes new pools.
 */
import type { ServiceConfig } from '../config/mesh-config.ts';
import type { CertificateLease, CertificateSources } from '../tls/certificate-sources.ts';
import { tlsConnector } from '../tls/connector.ts';
import { tlsErrorCode } from '../tls/tls-errors.ts';
import type { TlsOptions } from '../tls/tls-options.ts';
import type { SecureTransport } from '../transport/endpoint-pool.ts';

/** What came of opening the TLS of services: one for each that has some, or what is wrong. */
export type OpenedTls =
  | { readonly ok: true; readonly opened: ReadonlyMap<ServiceConfig, ServiceTls> }
  | { readonly ok: false; readonly problems: readonly string[] };

/** More of them say nothing new. */
const maxProblems = 50;

/** Opens the TLS of each of `services` that has some; of all, or of none. */
export async function openTls(services: Iterable<ServiceConfig>, sources: CertificateSources): Promise<OpenedTls> {
  const opened = new Map<ServiceConfig, ServiceTls>();
  const problems: string[] = [];
  for (const config of services) {
    if (config.tls === undefined || problems.length >= maxProblems) continue;
    try {
      opened.set(config, await ServiceTls.open(config.tls, config, sources));
    } catch (error) {
      problems.push(`${config.host}: ${(error as Error).message}`);
    }
  }
  if (problems.length === 0) return { ok: true, opened };
  for (const tls of opened.values()) tls.close();
  return { ok: false, problems };
}

/** The TLS of one service. */
export class ServiceTls {
  readonly options: TlsOptions;
  private readonly lease: CertificateLease;
  private forget: (() => void) | undefined = undefined;

  private constructor(options: TlsOptions, lease: CertificateLease) {
    this.options = options;
    this.lease = lease;
  }

  /** @throws MeshError `INMESH_TLS` or `INMESH_OPTION` when the files or settings are not good. */
  static async open(options: TlsOptions, config: ServiceConfig, sources: CertificateSources): Promise<ServiceTls> {
    const tls = new ServiceTls(options, await sources.acquire(options));
    try {
      // What can be made now can be made for each endpoint, when it is too late to refuse.
      tls.secure({}, config);
      return tls;
    } catch (error) {
      tls.close();
      throw error;
    }
  }

  /** Calls `listener` when the certificates change; the last listener counts. */
  onChange(listener: () => void): void {
    this.forget?.();
    this.forget = this.lease.source.onChange(listener);
  }

  /** For the pool of `endpoint`. */
  secure(endpoint: { readonly socketPath?: string }, config: ServiceConfig): SecureTransport {
    const serverName = this.options.sni ?? config.host;
    return {
      connector: tlsConnector({
        tls: this.options,
        material: this.lease.source.current,
        serviceHost: config.host,
        connectTimeoutMs: config.transport.connectTimeoutMs,
        h2: config.transport.h2,
        socketPath: endpoint.socketPath,
      }),
      serverName,
      errorCodes: tlsErrorCode,
    };
  }

  close(): void {
    this.forget?.();
    this.lease.release();
  }
}
