/**
 * Which endpoints are near, and how many calls may stay with them? Near ones are faster, and traffic between zones costs
 * money; but a zone that has lost most of its endpoints must not be left alone with all its calls. Three ways:
 *
 * - **Failover** (default): all calls to the nearest endpoints. As long as 72% of them are healthy; below it the rest spills
 *   over to the next nearest, in proportion (Envoy's priorities and overprovisioning factor; Istio's locality failover).
 * - **Distribute**: shares by locality, as an operator says (Istio).
 * - **Zone-aware**: calls stay in their zone as far as every endpoint still gets the same (Envoy's zone aware routing).
 */
import type { Member } from '../../core/member.ts';
import { liesIn, nearness, regionOf, zoneOf } from './locality-name.ts';
import type { Distribution, LocalityOptions } from './locality-options.ts';

/** Members that share a part of the calls. */
export interface LocalityGroup {
  /** The same for the same group after a change of the members. */
  readonly key: string;
  readonly members: readonly Member[];
  /** Of the calls, 0–1. The sum over all groups is 1. */
  readonly share: number;
  /** Of those of its members that could get calls, the share that may. 0 without any. */
  readonly healthyShare: number;
}

/** What a rebuild gives. */
export interface LocalityLayout {
  /** Nearest first. Groups of nobody but draining or weightless members are left out while there are others. */
  readonly groups: readonly LocalityGroup[];
  /**
   * Whether all groups together can bear the calls: then only healthy members get some. Otherwise each group decides by
   * itself whether it panics (Envoy).
   */
  readonly enough: boolean;
}

/** Where we are. */
export interface OwnPlace {
  /** `region/zone/subzone`. */
  readonly locality: string;
  /** The localities of all callers like us, one each, ourselves included; empty when nobody knows. */
  readonly callers: () => readonly string[];
}

/** Groups the members. */
export function localityLayout(members: readonly Member[], options: LocalityOptions, place: OwnPlace): LocalityLayout {
  const rule = options.distribute.find(({ from }) => liesIn(place.locality, from));
  const anyAble = members.some(isAble);
  const healthyOfAll = healthyShare(members);
  const enough = healthyOfAll * options.overprovisioningPercent >= 100;
  const distributed = rule && byDistribution(members, rule, anyAble);
  if (distributed !== undefined) return { groups: distributed, enough };
  const { zoneAware } = options;
  if (zoneAware === undefined) return byFailover(members, options, place.locality, anyAble);
  const zones = members.length < zoneAware.minEndpoints ? undefined : byZone(members, place);
  return { groups: zones ?? [{ key: 'all', members, share: 1, healthyShare: healthyOfAll }], enough };
}

/** Undefined when nobody is where calls should go. */
function byDistribution(
  members: readonly Member[],
  { to }: Distribution,
  anyAble: boolean,
): LocalityGroup[] | undefined {
  const left = new Set(members);
  const groups: { key: string; members: Member[]; weight: number; healthyShare: number }[] = [];
  for (const [pattern, weight] of to) {
    const own = [...left].filter(({ endpoint }) => liesIn(endpoint.locality, pattern));
    for (const member of own) left.delete(member);
    if (own.length === 0 || weight === 0 || (anyAble && !own.some(isAble))) continue;
    groups.push({ key: pattern, members: own, weight, healthyShare: healthyShare(own) });
  }
  // A locality whose endpoints are all down gives its share to the others.
  const alive = groups.some((group) => group.healthyShare > 0);
  const weights = groups.map((group) => (alive && group.healthyShare === 0 ? 0 : group.weight));
  const total = sum(weights);
  if (total === 0) return undefined;
  return groups.map(({ weight: _, ...group }, index) => ({ ...group, share: (weights[index] as number) / total }));
}

function byFailover(
  members: readonly Member[],
  options: LocalityOptions,
  own: string,
  anyAble: boolean,
): LocalityLayout {
  const levels = new Map<number, Member[]>();
  const takesOver = options.failover.get(regionOf(own));
  for (const member of members) {
    const { locality } = member.endpoint;
    const near = nearness(own, locality);
    // Behind all that are near in any way: first the region that takes over, then the others.
    const level = near > 0 ? 3 - near : takesOver === undefined || regionOf(locality) === takesOver ? 3 : 4;
    const group = levels.get(level);
    if (group === undefined) levels.set(level, [member]);
    else group.push(member);
  }
  const groups = [...levels]
    .filter(([, group]) => !anyAble || group.some(isAble))
    .sort(([one], [other]) => one - other)
    .map(([level, group]) => ({ key: `priority ${level}`, members: group, healthyShare: healthyShare(group) }));
  const bearable = groups.map((group) => Math.min(1, (group.healthyShare * options.overprovisioningPercent) / 100));
  const shares = spillOver(bearable);
  return {
    groups: groups.map((group, index) => ({
      ...group,
      // Without any healthy one anywhere the nearest get all, and panic.
      share: shares?.[index] ?? (index === 0 ? 1 : 0),
    })),
    enough: sum(bearable) >= 1,
  };
}

/**
 * What each priority gets: as much as it can bear of what those before it leave. When all together cannot bear everything, it
 * is scaled up.
 *
 * @returns undefined when nobody is healthy.
 */
function spillOver(bearable: readonly number[]): number[] | undefined {
  const total = sum(bearable);
  if (total === 0) return undefined;
  let left = 1;
  return bearable.map((most) => {
    const share = Math.min(left, most / Math.min(1, total));
    left -= share;
    return share;
  });
}

/**
 * If callers and endpoints were spread alike, all calls could stay. Where a zone has fewer endpoints than callers, as many
 * stay as load its endpoints like all others; the rest goes to zones that have more endpoints than callers, by their surplus.
 *
 * @returns undefined when our zone has no healthy endpoint.
 */
function byZone(members: readonly Member[], { locality, callers }: OwnPlace): LocalityGroup[] | undefined {
  const zones = new Map<string, Member[]>();
  for (const member of members) {
    const zone = zoneOf(member.endpoint.locality);
    const group = zones.get(zone);
    if (group === undefined) zones.set(zone, [member]);
    else group.push(member);
  }
  const own = zoneOf(locality);
  const capacity = new Map([...zones].map(([zone, group]) => [zone, healthyWeight(group)]));
  const total = sum([...capacity.values()]);
  const here = capacity.get(own) ?? 0;
  if (here === 0) return undefined;
  const callersAt = shareOfCallers(callers(), own, [...zones.keys()]);
  const residual = new Map(
    [...capacity].map(([zone, weight]) => [zone, Math.max(0, weight / total - (callersAt.get(zone) ?? 0))]),
  );
  const stay = Math.min(1, here / total / (callersAt.get(own) as number));
  const surplus = sum([...residual.values()]);
  const share = (zone: string) => (surplus === 0 ? 0 : ((1 - stay) * (residual.get(zone) as number)) / surplus);
  const groups = [...zones]
    .filter(([, group]) => group.some(isAble))
    .map(([zone, group]) => ({
      key: zone,
      members: group,
      share: zone === own ? stay : share(zone),
      healthyShare: healthyShare(group),
    }));
  return groups.sort((one, other) => other.share - one.share);
}

/** When nobody knows the callers they are taken to be spread evenly over the zones. */
function shareOfCallers(
  callers: readonly string[],
  own: string,
  zones: readonly string[],
): ReadonlyMap<string, number> {
  if (callers.length === 0) return new Map(zones.map((zone) => [zone, 1 / zones.length]));
  const callerZones = callers.map(zoneOf);
  // We call, whoever was told of it yet.
  if (!callerZones.includes(own)) callerZones.push(own);
  const counts = new Map<string, number>();
  for (const zone of callerZones) counts.set(zone, (counts.get(zone) ?? 0) + 1 / callerZones.length);
  return counts;
}

/** The share of those that could get calls that may. 0 without any. */
function healthyShare(members: readonly Member[]): number {
  const able = members.filter(isAble);
  return able.length === 0 ? 0 : able.filter(({ healthy }) => healthy).length / able.length;
}

function healthyWeight(members: readonly Member[]): number {
  return sum(members.map((member) => (member.healthy && isAble(member) ? member.endpoint.weight : 0)));
}

function isAble({ endpoint }: Member): boolean {
  return endpoint.state === 'serving' && endpoint.weight > 0;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
