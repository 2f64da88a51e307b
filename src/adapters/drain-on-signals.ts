/**
 * What does a signal do to a process with a mesh? With `handleSignals`, it drains first: the registry is told, the others
 * stop calling, what is under way finishes. Then the signal does what it would have done.
 */

const signals = ['SIGTERM', 'SIGINT'] as const;

/**
 * Lets SIGTERM and SIGINT drain. A second signal does not wait.
 *
 * @returns leaves signals to the program again.
 */
export function drainOnSignals(drain: () => Promise<void>): () => void {
  let draining = false;
  const onSignal = (signal: NodeJS.Signals) => {
    if (draining) return;
    draining = true;
    stop();
    void drain()
      .catch(() => {
        // It is told to whoever waits for the mesh; the signal counts all the same.
      })
      // Another listener of the program ends the process as it sees fit.
      .then(() => process.listenerCount(signal) === 0 && process.kill(process.pid, signal));
  };
  const stop = () => {
    for (const signal of signals) process.off(signal, onSignal);
  };
  for (const signal of signals) process.on(signal, onSignal);
  return stop;
}
