/**
 * Does a service make sense by itself?
 */
import { endpointKey, parseAddress } from '../core/endpoint.ts';
import { ms } from './compile-call.ts';
import { checkLocality } from './compile-locality.ts';
import type { CheckedService } from './compile-service.ts';
import { checkCallPolicy, checkPerTryTimeout } from './cross-check-call.ts';
import type { DocumentPath } from './document-path.ts';
import type { Findings } from './findings.ts';

type Policy = NonNullable<CheckedService['trafficPolicy']>;

/** Checks a service at `path`. */
export function checkService(service: CheckedService, path: DocumentPath, findings: Findings): void {
  checkEndpoints(service, path, findings);
  const names = new Set<string>();
  service.subsets?.forEach(({ name }, index) => {
    if (names.has(name)) findings.problem([...path, 'subsets', index, 'name'], `the subset ${name} is defined twice`);
    names.add(name);
  });
  const policy = service.trafficPolicy;
  if (service.subjectAltNames !== undefined && (policy?.tls === undefined || policy.tls.mode === 'DISABLE')) {
    findings.warning([...path, 'subjectAltNames'], 'has no effect without trafficPolicy.tls');
  }
  if (policy === undefined) return;
  const policyPath = [...path, 'trafficPolicy'];
  checkCallPolicy(policy, policyPath, findings);
  checkPerTryTimeout(policy, undefined, policyPath, findings);
  checkTls(policy, policyPath, findings);
  checkOutlier(policy, policyPath, findings);
  checkAdaptiveLimit(policy, policyPath, findings);
  if (policy.cache && policy.loadBalancer?.sessionAffinity !== undefined) {
    const message =
      'keeps no reply that sets the cookie of sessionAffinity: those of clients that come for the first time';
    findings.warning([...policyPath, 'cache'], message);
  }
  checkLocality(policy, policyPath, findings);
  checkSpares(policy, policyPath, findings);
  if (policy.retryBudget?.minRetryConcurrency !== undefined) {
    const message = 'is read and not used: the budget is one of retries per second, see minRetriesPerSecond';
    findings.warning([...policyPath, 'retryBudget', 'minRetryConcurrency'], message);
  }
}

function checkEndpoints(service: CheckedService, path: DocumentPath, findings: Findings): void {
  const first = new Map<string, number>();
  service.endpoints?.forEach(({ address }, index) => {
    const parts = parseAddress(address)!;
    const key = endpointKey(parts);
    const place = [...path, 'endpoints', index, 'address'];
    const before = first.get(key);
    if (before !== undefined) findings.problem(place, `${address} is the address of endpoints[${before}] too`);
    else first.set(key, index);
    if (service.resolution === 'DNS' && parts.socketPath !== undefined) {
      findings.problem(place, `is ${address}; allowed with resolution DNS: name:port`);
    }
  });
}

function checkSpares({ connectionPool, loadBalancer }: Policy, path: DocumentPath, findings: Findings): void {
  const { minIdleConnections: spares = 0, maxConnections: most } = connectionPool?.tcp ?? {};
  if (spares === 0) return;
  const place = [...path, 'connectionPool', 'tcp', 'minIdleConnections'];
  if (most !== undefined && spares > most) {
    findings.problem(place, `is ${spares}; allowed: at most maxConnections ${most}`);
  }
  if (connectionPool?.http?.h2UpgradePolicy === 'UPGRADE') {
    findings.problem(place, 'is for HTTP/1.1; with h2UpgradePolicy UPGRADE one connection carries many requests');
  }
  if (loadBalancer?.subsetSize !== undefined) {
    findings.problem(place, 'connects to all endpoints, of which loadBalancer.subsetSize is to use a few only');
  }
}

function checkTls({ tls }: Policy, path: DocumentPath, findings: Findings): void {
  if (tls === undefined) return;
  for (const field of ['clientCertificate', 'privateKey'] as const) {
    if (tls.mode === 'MUTUAL' && tls[field] === undefined) {
      findings.problem([...path, 'tls', 'mode'], `is MUTUAL, which needs ${field}`);
    }
    if (tls.mode === 'SIMPLE' && tls[field] !== undefined) {
      findings.problem([...path, 'tls', field], 'is for mode MUTUAL only');
    }
  }
}

function checkAdaptiveLimit({ adaptiveConcurrency: given }: Policy, path: DocumentPath, findings: Findings): void {
  const { minLimit, initialLimit, maxLimit } = given ?? {};
  const place = [...path, 'adaptiveConcurrency'];
  if (minLimit !== undefined && maxLimit !== undefined && maxLimit < minLimit) {
    findings.problem([...place, 'maxLimit'], `is ${maxLimit}; allowed: at least minLimit ${minLimit}`);
  }
  const above = maxLimit !== undefined && initialLimit !== undefined && initialLimit > maxLimit;
  const below = minLimit !== undefined && initialLimit !== undefined && initialLimit < minLimit;
  if (above || below) {
    const bound = above ? `at most maxLimit ${maxLimit}` : `at least minLimit ${minLimit}`;
    findings.problem([...place, 'initialLimit'], `is ${initialLimit}; allowed: ${bound}`);
  }
}

function checkOutlier({ outlierDetection: outlier }: Policy, path: DocumentPath, findings: Findings): void {
  const { baseEjectionTime: base, maxEjectionTime: longest } = outlier ?? {};
  if (base !== undefined && longest !== undefined && ms(longest) < ms(base)) {
    const message = `is ${longest}; allowed: at least baseEjectionTime ${base}`;
    findings.problem([...path, 'outlierDetection', 'maxEjectionTime'], message);
  }
}
