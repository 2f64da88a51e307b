/**
 * What stands before the calls of a service, whatever their route? Its rate limit, admission control, circuit breaker and
 * adaptive limit, where it has them, and what its hedges share. A change of the configuration replaces what it changed; the rest keeps what it has
 * learnt.
 */
import type { ServiceConfig } from '../config/mesh-config.ts';
import type { Filter } from '../core/filter.ts';
import { AdmissionControl } from '../resilience/admission/admission-control.ts';
import { admissionFilter } from '../resilience/admission/admission-filter.ts';
import { HedgeDelay } from '../resilience/hedge/hedge-delay.ts';
import { hedgeDefaults } from '../resilience/hedge/hedge-options.ts';
import { AdaptiveLimiter } from '../resilience/limit/adaptive-limit-filter.ts';
import { RateLimiter } from '../resilience/rate-limit/rate-limiter.ts';
import { RetryBudget } from '../resilience/retry/retry-budget.ts';
import { type ServiceMetrics, unset } from '../telemetry/service-metrics.ts';
import type { BreakerPart, MeshParts } from './mesh-parts.ts';

type Guarded = Pick<ServiceConfig, 'rateLimit' | 'admission' | 'circuitBreaker' | 'adaptiveLimit' | 'hedge'>;

/** What the hedges of a service share. */
export interface Hedging {
  readonly delay: HedgeDelay;
  readonly own: RetryBudget;
}

/** The guards of one service. */
export class ServiceGuards {
  /** Undefined when it has none. */
  rateLimit: RateLimiter | undefined;
  /** Undefined when it has none. */
  admission: Filter | undefined;
  /** Undefined when it has none. */
  breaker: BreakerPart | undefined;
  /** Undefined when it has none. */
  adaptiveLimit: AdaptiveLimiter | undefined;
  private madeHedging: Hedging | undefined = undefined;
  private hedge: Guarded['hedge'];
  private readonly host: string;
  private readonly parts: MeshParts;
  private readonly metrics: ServiceMetrics;

  constructor(host: string, config: Guarded, parts: MeshParts, metrics: ServiceMetrics) {
    this.host = host;
    this.parts = parts;
    this.metrics = metrics;
    this.rateLimit = this.makeRateLimit(config);
    this.admission = this.makeAdmission(config);
    this.breaker = this.makeBreaker(config);
    this.adaptiveLimit = this.makeLimit(config);
    this.hedge = config.hedge;
  }

  /** Of all its calls; made with the first that is hedged. */
  get hedging(): Hedging {
    this.madeHedging ??= makeHedging(this.hedge);
    return this.madeHedging;
  }

  /** Takes a new configuration. */
  reconfigure(before: Guarded, config: Guarded): void {
    if (differs(before.rateLimit, config.rateLimit)) this.rateLimit = this.makeRateLimit(config);
    if (differs(before.admission, config.admission)) this.admission = this.makeAdmission(config);
    if (differs(before.circuitBreaker, config.circuitBreaker)) this.breaker = this.makeBreaker(config);
    if (differs(before.adaptiveLimit, config.adaptiveLimit)) this.adaptiveLimit = this.makeLimit(config);
    this.hedge = config.hedge;
    if (differs(before.hedge, config.hedge)) this.madeHedging = undefined;
  }

  private makeRateLimit({ rateLimit }: Guarded): RateLimiter | undefined {
    return rateLimit && new RateLimiter(rateLimit, this.parts.clock.now());
  }

  private makeAdmission({ admission }: Guarded): Filter | undefined {
    const { clock, random } = this.parts;
    return (
      admission &&
      admissionFilter({
        service: this.host,
        clock,
        random,
        control: new AdmissionControl(admission),
        darkMode: admission.darkMode,
        onRefuse: () => {
          this.metrics.admissionRefusals++;
        },
      })
    );
  }

  private makeBreaker({ circuitBreaker }: Guarded): BreakerPart | undefined {
    this.metrics.breakerState = unset;
    return circuitBreaker && this.parts.breaker(this.host, undefined, circuitBreaker, this.metrics);
  }

  private makeLimit({ adaptiveLimit: options }: Guarded): AdaptiveLimiter | undefined {
    const { clock, random } = this.parts;
    const { metrics } = this;
    if (options === undefined) {
      metrics.readAdaptiveLimit = undefined;
      return undefined;
    }
    const onRefuse = () => {
      metrics.adaptiveLimitRefusals++;
    };
    const limiter = new AdaptiveLimiter({ service: this.host, clock, random, options, onRefuse });
    metrics.readAdaptiveLimit = () => limiter.limit;
    return limiter;
  }
}

/** One at least in each second: at a few calls a second the share alone would allow none. */
const minHedgesPerSecond = 1;

function makeHedging(hedge: Guarded['hedge']): Hedging {
  const { maxExtraLoadPercent } = hedge ?? hedgeDefaults;
  return {
    delay: new HedgeDelay(maxExtraLoadPercent),
    own: new RetryBudget({ percent: maxExtraLoadPercent, minRetriesPerSecond: minHedgesPerSecond }),
  };
}

function differs(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) !== JSON.stringify(b);
}
