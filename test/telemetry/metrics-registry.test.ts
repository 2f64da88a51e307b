import { describe, expect, it } from 'vitest';
import { MetricsRegistry } from '../../src/telemetry/metrics-registry.ts';

const services = (registry: MetricsRegistry) => [...registry.all()].map(({ labels }) => labels.service);

describe('MetricsRegistry', () => {
  it('gives the same object for the same labels, and another for others', () => {
    const registry = new MetricsRegistry();
    const reviews = registry.series({ service: 'reviews' });
    expect(registry.series({ service: 'reviews' })).toBe(reviews);
    expect(registry.series({ service: 'reviews', route: 'canary' })).not.toBe(reviews);
    expect(registry.series({ service: 'reviews', subset: 'canary' })).not.toBe(
      registry.series({ service: 'reviews', route: 'canary' }),
    );
  });

  it('counts everything beyond the cap in one series, and tells how often that happened', () => {
    const registry = new MetricsRegistry({ maxSeries: 1 });
    registry.series({ service: 'a' });
    expect(services(registry)).toEqual(['a']);
    expect(registry.series({ service: 'b' })).toBe(registry.series({ service: 'c' }));
    expect(registry.overflows).toBe(2);
    expect(services(registry)).toEqual(['a', '_OTHER']);
  });

  it('forgets all series of a service that is removed, and has room again', () => {
    const registry = new MetricsRegistry({ maxSeries: 2 });
    registry.series({ service: 'a' });
    registry.series({ service: 'a', route: 'r' });
    registry.remove('a');
    expect(services(registry)).toEqual([]);
    registry.series({ service: 'b' });
    expect(registry.overflows).toBe(0);
  });

  it.each([[0], [1.5], [Number.NaN]])('refuses the cap %s', (maxSeries) => {
    expect(() => new MetricsRegistry({ maxSeries })).toThrow(expect.objectContaining({ code: 'INMESH_OPTION' }));
  });
});
