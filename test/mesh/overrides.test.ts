import { describe, expect, it } from 'vitest';
import { callDefaults } from '../../src/core/call-options.ts';
import { Overrides } from '../../src/mesh/overrides.ts';

describe('Overrides', () => {
  it('are laid over the options of a route once, and kept', () => {
    const overrides = new Overrides({ timeoutMs: 50 });
    const resolved = overrides.over(callDefaults);
    expect(resolved).toMatchObject({ timeoutMs: 50, headTimeoutMs: callDefaults.headTimeoutMs });
    expect(overrides.over(callDefaults)).toBe(resolved);
    expect(overrides.over({ ...callDefaults, bodyIdleMs: 1 })).toMatchObject({ timeoutMs: 50, bodyIdleMs: 1 });
  });

  it('let further ones win, and stay as they are', () => {
    const view = new Overrides({ timeoutMs: 50, idempotent: true });
    expect(view.and({ timeoutMs: 70 }).over(callDefaults)).toMatchObject({ timeoutMs: 70, idempotent: true });
    expect(view.over(callDefaults)).toMatchObject({ timeoutMs: 50, idempotent: true });
  });

  it('take a limit away with false', () => {
    expect(new Overrides({ timeoutMs: 50 }).and({ timeoutMs: false }).over(callDefaults).timeoutMs).toBe(
      Number.POSITIVE_INFINITY,
    );
  });

  it('refuse what is not valid when they are resolved', () => {
    const resolve = () => new Overrides({ timeoutMs: 0 }).over(callDefaults);
    expect(resolve).toThrow(expect.objectContaining({ code: 'INMESH_OPTION' }));
  });
});
