/**
 * How does a localityLbSetting become options? Off stays off; what makes no sense together, or can have no effect, is a
 * problem.
 */
import { liesIn } from '../balancing/locality/locality-name.ts';
import { type LocalityOptions, localityDefaults } from '../balancing/locality/locality-options.ts';
import type { CheckedDocument } from './check-document.ts';
import type { DocumentPath } from './document-path.ts';
import type { Findings } from './findings.ts';

type Policy = NonNullable<NonNullable<CheckedDocument['services']>[number]['trafficPolicy']>;
type Setting = NonNullable<NonNullable<Policy['loadBalancer']>['localityLbSetting']>;

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
  checkDistribute(setting, [...place, 'distribute'], findings);
  checkFailover(setting, [...place, 'failover'], findings);
  if (policy.outlierDetection?.disabled && setting.enabled !== false) {
    findings.warning(place, 'without outlierDetection nobody notices that near endpoints fail');
  }
}

/** An entry that holds for places which an earlier one has already is never looked at. */
function checkDistribute({ distribute = [] }: Setting, place: DocumentPath, findings: Findings): void {
  distribute.forEach(({ from, to }, index) => {
    const before = distribute.slice(0, index).find((earlier) => liesIn(from, earlier.from));
    if (before !== undefined) {
      findings.problem(
        [...place, index, 'from'],
        `${from} never holds: it lies in ${before.from}, which comes before it`,
      );
    }
    const total = Object.values(to).reduce((sum, share) => sum + share, 0);
    if (total !== 100) findings.problem([...place, index, 'to'], `has shares of together ${total}; allowed: 100`);
    const localities = Object.keys(to);
    localities.forEach((locality, position) => {
      const cover = localities.slice(0, position).find((earlier) => liesIn(locality, earlier));
      if (cover === undefined) return;
      const message = `${locality} gets nothing: it lies in ${cover}, which comes before it`;
      findings.problem([...place, index, 'to', locality], message);
    });
  });
}

function checkFailover({ failover = [] }: Setting, place: DocumentPath, findings: Findings): void {
  failover.forEach(({ from, to }, index) => {
    const before = failover.findIndex((earlier) => earlier.from === from);
    if (before < index) findings.problem([...place, index, 'from'], `is ${from}, as failover[${before}].from`);
    if (from === to) findings.problem([...place, index, 'to'], `is ${to}; allowed: another region than from`);
  });
}
