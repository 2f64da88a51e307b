/**
 * How does a service come to secured connections? From a share of a certificate source; each pool gets a connector of
 * its own made from what the source holds when the pool is made. When that changes, the service makes new pools.
 */
import type { ServiceConfig } from '../config/mesh-config.ts';
import type { Endpoint } from '../core/endpoint.ts';
import type { CertificateLease, CertificateSources } from '../tls/certificate-sources.ts';
import { tlsConnector } from '../tls/connector.ts';
import { tlsErrorCode } from '../tls/tls-errors.ts';
import type { TlsOptions } from '../tls/tls-options.ts';
import type { SecureTransport } from '../transport/endpoint-pool.ts';

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
  static async open(options: TlsOptions, sources: CertificateSources): Promise<ServiceTls> {
    return new ServiceTls(options, await sources.acquire(options));
  }

  /** Calls `listener` when the certificates change; the last listener counts. */
  onChange(listener: () => void): void {
    this.forget?.();
    this.forget = this.lease.source.onChange(listener);
  }

  /** For the pool of `endpoint`. */
  secure(endpoint: Endpoint, config: ServiceConfig): SecureTransport {
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
