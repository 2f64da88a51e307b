/**
 * Does a route lead to something that exists, and is it decided how the traffic is shared?
 */
import { didYouMean, hintOf, type NameSearch } from './closest-name.ts';
import type { CheckedRoute, CheckedRule } from './compile-route.ts';
import type { CheckedService } from './compile-service.ts';
import { checkCallPolicy, checkPerTryTimeout } from './cross-check-call.ts';
import type { DocumentPath } from './document-path.ts';
import type { Findings } from './findings.ts';

/** The services of all documents. */
export interface KnownServices {
  /** In lower case. */
  readonly byHost: ReadonlyMap<string, CheckedService>;
  /** Among their hosts. */
  readonly search: NameSearch;
}

/** Checks a route at `path`. */
export function checkRoute(route: CheckedRoute, services: KnownServices, path: DocumentPath, findings: Findings): void {
  route.http.forEach((rule, index) => {
    const rulePath = [...path, 'http', index];
    checkCallPolicy(rule, rulePath, findings);
    checkWeights(rule, rulePath, findings);
    checkDestinations(rule, services, rulePath, findings);
  });
}

function checkWeights(rule: CheckedRule, path: DocumentPath, findings: Findings): void {
  if (rule.route.every(({ weight }) => weight === 0)) {
    findings.problem([...path, 'route'], 'the weights are all 0; allowed: at least one above 0');
  }
  if (rule.route.length === 1) return;
  rule.route.forEach(({ weight }, index) => {
    if (weight !== undefined) return;
    findings.problem([...path, 'route', index], 'weight is missing; it is needed when there are several destinations');
  });
}

function checkDestinations(rule: CheckedRule, services: KnownServices, path: DocumentPath, findings: Findings): void {
  const seen = new Set<CheckedService>();
  rule.route.forEach(({ destination }, index) => {
    const place = [...path, 'route', index, 'destination'];
    const service = services.byHost.get(destination.host.toLowerCase());
    if (service === undefined) {
      const { host } = destination;
      const message = () => `there is no service ${host}${hintOf(services.search.closest(host))}`;
      findings.problem([...place, 'host'], message);
      return;
    }
    checkSubset(service, destination.subset, [...place, 'subset'], findings);
    if (!seen.has(service)) checkPerTryTimeout(rule, service.trafficPolicy, path, findings);
    seen.add(service);
  });
}

function checkSubset(
  service: CheckedService,
  subset: string | undefined,
  path: DocumentPath,
  findings: Findings,
): void {
  const names = (service.subsets ?? []).map(({ name }) => name);
  if (subset === undefined || names.includes(subset)) return;
  findings.problem(path, () => `${service.host} has no subset ${subset}${didYouMean(subset, names)}`);
}
