/**
 * How does a localityLbSetting become options? Off stays off; what makes no sense together is a problem.
 */
import { type LocalityOptions, localityDefaults } from '../balancing/locality/locality-options.ts';
import type { CheckedDocument } from './check-document.ts';
import type { DocumentPath } from './document-path.ts';
import type { Findings } from './findings.ts';

type Policy = NonNullable<NonNullable<CheckedDocument['services']>[number]['trafficPolicy']>;

/** The options of a policy; undefined when localities are not looked at. */
export function compileLocality({ loadBalancer }: Policy): LocalityOptions | undefined {
  const setting = loadBalancer?.localityLbSetting;
  if (setting === undefined || setting.enabled === false) return undefined;
  const { distribute = [], failover = [], zoneAware, overprovisioningFactor } = setting;
  return Object.freeze({
    distribute: Object.freeze(distribute.map(({ from, to }) => ({ from, to: new Map(Object.entries(to)) }))),
    failover: new Map(failover.map(({ from, to }) => [from, to])),
    zoneAware: zoneAware && Object.freeze({ minEndpoints: zoneAware.minEndpoints ?? localityDefaults.minEndpoints }),
    overprovisioningPercent: overprovisioningFactor ?? localityDefaults.overprovisioningPercent,
  });
}

/** Finds what makes no sense together. */
export function checkLocality(policy: Policy, path: DocumentPath, findings: Findings): void {
  const setting = policy.loadBalancer?.localityLbSetting;
  if (setting === undefined) return;
  const place = [...path, 'loadBalancer', 'localityLbSetting'];
  const ways = (['distribute', 'failover', 'zoneAware'] as const).filter((way) => setting[way] !== undefined);
  if (ways.length > 1) findings.problem(place, `has ${ways.join(' and ')}; allowed is one of them`);
  setting.distribute?.forEach(({ to }, index) => {
    const total = Object.values(to).reduce((sum, share) => sum + share, 0);
    if (total === 100) return;
    findings.problem([...place, 'distribute', index, 'to'], `has shares of together ${total}; allowed: 100`);
  });
  if (policy.outlierDetection?.disabled && setting.enabled !== false) {
    findings.warning(place, 'without outlierDetection nobody notices that near endpoints fail');
  }
}
