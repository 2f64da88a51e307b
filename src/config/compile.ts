/**
 * How do raw documents become a configuration? They are read, each is checked against the schema, then all together
 * against each other, and only when nothing is wrong are they compiled: a configuration is in force whole or not at all.
 */
import type { RawDocument } from '../discovery/registry.ts';
import { type CheckedDocument, checkDocument } from './check-document.ts';
import { compileRoute } from './compile-route.ts';
import { compileService } from './compile-service.ts';
import { crossCheck } from './cross-check.ts';
import type { MeshConfig, RouteConfig, ServiceConfig } from './mesh-config.ts';
import { parseDocument } from './parse-document.ts';
import { ProblemList } from './problem-list.ts';

/** A configuration, or what is wrong. Each text names its place: `mesh.yaml:3:5: services[0].host: …`. */
export type CompileResult =
  | { readonly ok: true; readonly config: MeshConfig; readonly warnings: readonly string[] }
  | { readonly ok: false; readonly problems: readonly string[] };

/**
 * Compiles all documents of a mesh into one configuration; their services and routes add up. Never rejects.
 *
 * A large text is read in a thread, so that two compilations may end in the other order than they began.
 */
export async function compile(documents: readonly RawDocument[]): Promise<CompileResult> {
  const problems = new ProblemList();
  const sources = await Promise.all(documents.map((raw) => parseDocument(raw, problems)));
  const checked = [];
  for (const source of sources) {
    const document = source && checkDocument(source, problems);
    if (document !== undefined) checked.push({ source: source!, document });
  }
  if (!problems.empty) return { ok: false, problems: problems.texts() };
  const warnings = new ProblemList();
  crossCheck(checked, problems, warnings);
  if (!problems.empty) return { ok: false, problems: problems.texts() };
  return { ok: true, config: build(checked.map(({ document }) => document)), warnings: warnings.texts() };
}

function build(documents: readonly CheckedDocument[]): MeshConfig {
  const services = new Map<string, ServiceConfig>();
  const routes = new Map<string, readonly RouteConfig[]>();
  for (const document of documents) {
    for (const service of document.services ?? []) {
      const config = compileService(service);
      services.set(config.host, config);
    }
    for (const route of document.routes ?? []) {
      const rules = compileRoute(route);
      for (const host of route.hosts) routes.set(host.toLowerCase(), rules);
    }
  }
  const outbound = documents.find((document) => document.outboundTrafficPolicy !== undefined);
  return Object.freeze({
    outboundMode: outbound?.outboundTrafficPolicy?.mode ?? 'REGISTRY_ONLY',
    services,
    routes,
  });
}
