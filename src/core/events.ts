/**
 * What can a program observe? Everything the mesh decides, on channels of `node:diagnostics_channel`. A channel
 * without subscribers costs one property read.
 */
import { channel } from 'node:diagnostics_channel';

/** The channels, by name. Each docstring gives the message. */
export const events = {
  /** `{ service, call }` when a call starts. */
  callStart: channel('inmesh:call:start'),
  /** `{ service, call, status?, error?, outcome, durationMs, attempts }` when a call has its last byte or its error. */
  callEnd: channel('inmesh:call:end'),
  /** `{ service, endpoint, attempt }` when an attempt starts. */
  attemptStart: channel('inmesh:attempt:start'),
  /** `{ service, endpoint, attempt, status?, error?, outcome, durationMs }` when an attempt has its head or its error. */
  attemptEnd: channel('inmesh:attempt:end'),
  /** `{ service, call, reason, delayMs }` before a retry. */
  retry: channel('inmesh:retry'),
  /** `{ service, call, delayMs }` when a call is sent a second time because its first attempt takes long. */
  hedge: channel('inmesh:hedge'),
  /** `{ service, endpoint, cause, ejectionMs }` when an endpoint is ejected. */
  eject: channel('inmesh:outlier:eject'),
  /** `{ service, endpoint }` when its ejection ends. */
  uneject: channel('inmesh:outlier:uneject'),
  /** `{ service, endpoint, healthy, cause? }` when health checks find an endpoint unhealthy, or healthy again. */
  health: channel('inmesh:health'),
  /** `{ service, route?, from, to }` when a circuit breaker changes state. */
  breaker: channel('inmesh:breaker'),
  /** `{ registry, version }` when a document is in force. */
  configAccepted: channel('inmesh:config:accepted'),
  /** `{ registry, version, problems }` when a document is refused; the last good one stays. */
  configRejected: channel('inmesh:config:rejected'),
  /** `{ registry, error }` when a registry cannot be read; the last good state stays. */
  registryError: channel('inmesh:registry:error'),
  /** `{ service, added, removed, total }` when the endpoints of a service change. */
  endpoints: channel('inmesh:endpoints'),
  /** `{ files, version }` when certificates were reloaded, `{ files, error }` when they could not be. */
  certificates: channel('inmesh:certificates'),
} as const;
