/**
 * inmesh: a service mesh inside a Node process.
 *
 * @packageDocumentation
 */

export type { CommandContext } from './adapters/command.ts';
export type { CommandOptions } from './adapters/command-options.ts';
export { createMesh, type Mesh, type MeshView } from './adapters/create-mesh.ts';
export type { MeshFetch, MeshRequestInit } from './adapters/fetch.ts';
export type { InboundMiddleware, InboundOptions } from './adapters/inbound.ts';
export type { InstallOptions } from './adapters/install.ts';
export type { LightBody } from './adapters/light-body.ts';
export type { MeshRequest, MeshRequestOptions } from './adapters/request.ts';
export type { MeshRequestResult } from './adapters/request-result.ts';
export type { ServiceUrl } from './adapters/service-url.ts';
export type { MeshDocument } from './config/schema.ts';
export type { CallOptions, RetryOn } from './core/call-options.ts';
export type { Clock, Timer } from './core/clock.ts';
export type { Criticality } from './core/criticality.ts';
export type { Endpoint, Labels } from './core/endpoint.ts';
export { type ErrorCode, errorCodes, isMeshError, MeshError } from './core/errors.ts';
export type { Random } from './core/random.ts';
export type {
  DocumentStore,
  EndpointChange,
  FormerDocument,
  HealthCheck,
  RawDocument,
  Registration,
  Registry,
  Sink,
  StoredDocument,
  Verdict,
  Watch,
  WatcherReport,
} from './discovery/registry.ts';
export type { HeaderInput } from './http/header-list.ts';
export type { BodyInput } from './http/request-body.ts';
export type { MeshOptions } from './mesh/create-engine.ts';
export type { RegisterOptions } from './mesh/registrations.ts';
export type { MeshStatus, ServiceStatus } from './mesh/status.ts';
export type { CircuitBreakerOptions } from './resilience/circuit-breaker/circuit-breaker.ts';
export type { ShedOptions } from './resilience/shedding/load-shedder.ts';
export type { PrometheusRegistry } from './telemetry/prometheus-exporter.ts';
export type { TracingMode } from './telemetry/traces.ts';
