import { describe, expect, it } from 'vitest';
import { backgroundWait } from '../../../src/discovery/remote/background-wait.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';

describe('backgroundWait', () => {
  it('waits in the background', async () => {
    const clock = new VirtualClock();
    let over = false;
    void backgroundWait(clock, 100, new AbortController().signal).then(() => {
      over = true;
    });
    expect(clock.pendingBackgroundTimers).toBe(1);
    await clock.advance(99);
    expect(over).toBe(false);
    await clock.advance(1);
    expect(over).toBe(true);
  });

  it('rejects at once when it is aborted, and leaves no timer', async () => {
    const [clock, controller] = [new VirtualClock(), new AbortController()];
    const waiting = backgroundWait(clock, 100, controller.signal);
    controller.abort(new Error('closed'));
    await expect(waiting).rejects.toThrow('closed');
    expect(clock.pendingTimers).toBe(0);
    await expect(backgroundWait(clock, 100, controller.signal)).rejects.toThrow('closed');
    expect(clock.pendingTimers).toBe(0);
  });
});
