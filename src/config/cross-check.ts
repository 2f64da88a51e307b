/**
 * Do documents that have the right form make sense? Names that are used are defined, once; figures agree with each
 * other. All documents are looked at together: a route may be in another file than its service.
 */

import type { CheckedDocument } from './check-document.ts';
import { NameSearch } from './closest-name.ts';
import type { CheckedService } from './compile-service.ts';
import { checkRoute } from './cross-check-route.ts';
import { checkService } from './cross-check-service.ts';
import type { DocumentPath } from './document-path.ts';
import type { Findings } from './findings.ts';
import type { ProblemList } from './problem-list.ts';
import type { SourceDocument } from './source-document.ts';

/** A document with where it came from. */
export interface PlacedDocument {
  readonly source: SourceDocument;
  readonly document: CheckedDocument;
}

/** Names that may be defined once, with the place of the definition. */
class Definitions {
  private readonly places = new Map<string, string>();

  /** Tells where the name was defined before, if it was. */
  define(name: string, source: SourceDocument, path: DocumentPath, what: string, problems: ProblemList): void {
    const before = this.places.get(name);
    if (before !== undefined) problems.add(source, path, `${what} ${name} is defined twice; first at ${before}`);
    else this.places.set(name, source.place(path, 'value'));
  }
}

/** Checks documents together. */
export function crossCheck(documents: readonly PlacedDocument[], problems: ProblemList, warnings: ProblemList): void {
  const services = new Map<string, CheckedService>();
  const serviceHosts = new Definitions();
  for (const { source, document } of documents) {
    document.services?.forEach((service, index) => {
      const host = service.host.toLowerCase();
      serviceHosts.define(host, source, ['services', index, 'host'], 'the service', problems);
      services.set(host, service);
      checkService(service, ['services', index], findingsOf(source, problems, warnings));
    });
  }
  const routeHosts = new Definitions();
  const search = new NameSearch(services.keys());
  for (const { source, document } of documents) {
    document.routes?.forEach((route, index) => {
      route.hosts.forEach((host, hostIndex) => {
        const path = ['routes', index, 'hosts', hostIndex];
        routeHosts.define(host.toLowerCase(), source, path, 'a route for', problems);
        if (!services.has(host.toLowerCase())) {
          warnOfVirtualHost(host, search, path, findingsOf(source, problems, warnings));
        }
      });
      checkRoute(route, { byHost: services, search }, ['routes', index], findingsOf(source, problems, warnings));
    });
  }
  checkOutbound(documents, problems);
}

function findingsOf(source: SourceDocument, problems: ProblemList, warnings: ProblemList): Findings {
  return {
    problem: (path, message) => problems.add(source, path, message),
    warning: (path, message) => warnings.add(source, path, message),
  };
}

/** A host of routes only is legal; one that looks like a service is rather a slip. */
function warnOfVirtualHost(host: string, search: NameSearch, path: DocumentPath, findings: Findings): void {
  const closest = search.closest(host);
  if (closest === undefined) return;
  findings.warning(path, `${host} is no service and becomes a host of its own; meant ${closest}?`);
}

function checkOutbound(documents: readonly PlacedDocument[], problems: ProblemList): void {
  const path = ['outboundTrafficPolicy', 'mode'];
  const [first, ...others] = documents.filter(({ document }) => document.outboundTrafficPolicy !== undefined);
  for (const { source, document } of others) {
    const mode = document.outboundTrafficPolicy?.mode;
    if (mode !== first?.document.outboundTrafficPolicy?.mode) {
      problems.add(source, path, `is ${mode}, but another at ${first?.source.place(path, 'value')}`);
    }
  }
}
