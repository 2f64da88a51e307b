/** How a client is kept at one endpoint. */
export interface SessionOptions {
  /** The cookie that names the endpoint. */
  readonly cookieName: string;
  /** Which paths it is for. Default `/`. */
  readonly path: string;
  /** How long a client keeps it, in whole seconds; undefined until it closes. Default undefined. */
  readonly maxAgeSeconds: number | undefined;
}
