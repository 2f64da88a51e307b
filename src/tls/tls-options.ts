/** How connections to a service are secured. */
export interface TlsOptions {
  /** `SIMPLE`: the server proves who it is. `MUTUAL`: both do. */
  readonly mode: 'SIMPLE' | 'MUTUAL';
  /** PEM file of the authorities to trust; the ones of Node when undefined. */
  readonly caCertificates: string | undefined;
  /** PEM file with our certificate and its intermediates; required for `MUTUAL`. */
  readonly clientCertificate: string | undefined;
  /** PEM file with our private key; required for `MUTUAL`. */
  readonly privateKey: string | undefined;
  /** The server name that is sent (SNI); the host of the service when undefined. */
  readonly sni: string | undefined;
  /**
   * One of these must be in the certificate of the server, exactly: DNS names or SPIFFE IDs. When empty, the
   * certificate must be for the server name.
   */
  readonly subjectAltNames: readonly string[];
}
