/**
 * What is guarded that is no HTTP call? Any async function, by the same means: deadline, retry when it is idempotent,
 * breaker, limit and fallback (Hystrix's command).
 */
import { type CallOptions, callDefaults, resolveCallOptions } from '../core/call-options.ts';
import type { Clock } from '../core/clock.ts';
import { defaultCriticality } from '../core/criticality.ts';
import { deadlineOf } from '../core/deadline.ts';
import { MeshError } from '../core/errors.ts';
import { Operation } from '../core/operation.ts';
import { failure, outcomeOfError, success } from '../core/outcome.ts';
import type { Random } from '../core/random.ts';
import { composeStack, type Stack } from '../core/stack.ts';
import { inboundContext } from '../mesh/inbound-context.ts';
import { CircuitBreaker, type CircuitBreakerOptions } from '../resilience/circuit-breaker/circuit-breaker.ts';
import { circuitBreakerFilter } from '../resilience/circuit-breaker/circuit-breaker-filter.ts';
import { SamplingBreaker } from '../resilience/circuit-breaker/sampling-breaker.ts';
import { commandDeadlineFilter } from '../resilience/deadline/command-deadline-filter.ts';
import { fallbackFilter } from '../resilience/fallback/fallback-filter.ts';
import { limitFilter } from '../resilience/limit/limit-filter.ts';
import { commandRetryFilter } from '../resilience/retry/command-retry-filter.ts';
import { RetryBudget, retryBudgetDefaults } from '../resilience/retry/retry-budget.ts';
import type { MetricsRegistry } from '../telemetry/metrics-registry.ts';
import { type CommandOptions, requireCommandOptions, sharedCommandOptions } from './command-options.ts';

/** What a guarded function gets. */
export interface CommandContext {
  /** Aborted when the command is over before the function is. */
  readonly signal: AbortSignal;
}

/** One run. */
class CommandRun extends Operation {
  run!: (context: CommandContext) => unknown;
}

/** Commands by name; a program has as many as its source names, and this many is a mistake. */
const maxCommands = 1_000;

/** The commands of a mesh. */
export class Commands {
  private readonly clock: Clock;
  private readonly random: Random;
  private readonly metrics: MetricsRegistry;
  private readonly stacks = new Map<string, Stack<CommandRun, unknown>>();
  /** Those under way, each with what calls off the wait for it. */
  private readonly running = new Map<CommandRun, (reason: unknown) => void>();
  private closed = false;
  private onIdle: (() => void) | undefined = undefined;

  constructor(clock: Clock, random: Random, metrics: MetricsRegistry) {
    this.clock = clock;
    this.random = random;
    this.metrics = metrics;
  }

  /** See `mesh.command`. */
  async run<T>(name: string, run: (context: CommandContext) => T | Promise<T>, options: CommandOptions<T>): Promise<T> {
    if (this.closed) throw new MeshError('INMESH_CLOSED', 'the mesh is closed');
    requireCommandOptions(options);
    const { breaker, limit, ...own } = options;
    const stack = this.stackOf(name, options);
    const resolved = resolveCallOptions(callDefaults, own as CallOptions);
    const inbound = inboundContext.getStore();
    const inherited = resolved.inheritDeadline ? inbound?.deadline : undefined;
    const deadline = deadlineOf(this.clock.now(), resolved.timeoutMs, inherited ?? Number.POSITIVE_INFINITY);
    const operation = new CommandRun(name, resolved, deadline);
    operation.criticality = resolved.criticality ?? inbound?.criticality ?? defaultCriticality;
    operation.run = run;
    return (await this.counted(name, operation, stack)) as T;
  }

  /** Refuses new runs, and resolves when those under way are over. */
  drain(): Promise<void> {
    this.closed = true;
    if (this.running.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.onIdle = resolve;
    });
  }

  /** Ends the runs under way; what their functions do later is ignored. */
  cancelAll(reason: MeshError): void {
    for (const [operation, giveUp] of this.running) {
      operation.cancel(reason);
      giveUp(reason);
    }
  }

  private async counted(name: string, operation: CommandRun, stack: Stack<CommandRun, unknown>): Promise<unknown> {
    const series = this.metrics.series({ service: `command ${name}` });
    const startedAt = this.clock.now();
    series.callsInFlight++;
    try {
      const result = await new Promise((resolve, reject) => {
        this.running.set(operation, reject);
        stack.run(operation).then(resolve, reject);
      });
      series.calls.add(success, undefined);
      return result;
    } catch (error) {
      const outcome = outcomeOfError(error);
      series.calls.add(outcome.kind === 'ignored' ? failure('other') : outcome, undefined);
      throw error;
    } finally {
      series.callsInFlight--;
      series.callDuration.observe(this.clock.now() - startedAt);
      this.running.delete(operation);
      if (this.running.size === 0) this.onIdle?.();
    }
  }

  private stackOf(name: string, options: CommandOptions): Stack<CommandRun, unknown> {
    const known = this.stacks.get(name);
    if (known !== undefined) return known;
    if (this.stacks.size >= maxCommands) {
      throw new MeshError('INMESH_OPTION', `more than ${maxCommands} commands; a name is no place for an id`);
    }
    const stack = this.makeStack(name, options);
    this.stacks.set(name, stack);
    return stack;
  }

  private makeStack(name: string, options: CommandOptions): Stack<CommandRun, unknown> {
    const { clock, random } = this;
    const shared = sharedCommandOptions(options);
    const breaker = shared.breaker && this.makeBreaker(name, shared.breaker);
    return composeStack<CommandRun, unknown>(
      [
        // Answers whatever fails below, refusals and timeouts included.
        fallbackFilter(
          (answer) => answer,
          () => true,
        ),
        // Covers waiting and every retry.
        commandDeadlineFilter(clock),
        // Counts commands, not tries.
        breaker && circuitBreakerFilter({ clock, breaker, outcomeOf: () => success }),
        limitFilter(name, shared.limit),
        commandRetryFilter({
          clock,
          random,
          budget: new RetryBudget(retryBudgetDefaults),
          suppressed: () => breaker?.state === 'open',
        }),
      ],
      runOnce,
    );
  }

  private makeBreaker(name: string, options: CircuitBreakerOptions): CircuitBreaker {
    const breaker = new SamplingBreaker(this.clock, options);
    return new CircuitBreaker({ service: name, openMs: options.openMs, breaker });
  }
}

/** Runs the function, with a signal that ends with the command. */
async function runOnce(operation: CommandRun): Promise<unknown> {
  if (operation.cancelled) throw operation.cancelReason;
  const controller = new AbortController();
  const onCancel = (reason: unknown) => controller.abort(reason);
  operation.onCancel(onCancel);
  try {
    return await operation.run({ signal: controller.signal });
  } finally {
    operation.offCancel(onCancel);
  }
}
