/**
 * What does a signal do to a process with a mesh? With `handleSignals`, it drains first: the registry is told, the others
 * stop calling, what is under way finishes. Then the signal does what it would have done.
 */

const signals = ['SIGTERM', 'SIGINT'] as const;

/** Drains of all meshes of the process; the last one lets the signal go on. */
let underWay = 0;

/**
 * Lets SIGTERM and SIGINT drain. A second signal does not wait.
 *
 * @returns leaves signals to the program again.
 */
export function drainOnSignals(drain: () => Promise<void>): () => void {
  const onSignal = (signal: NodeJS.Signals) => {
    stop();
    underWay++;
    void drain()
      .catch(() => {
        // It is told to whoever waits for the mesh; the signal counts all the same.
      })
      .then(() => {
        underWay--;
        // Another listener of the program ends the process as it sees fit.
        if (underWay === 0 && process.listenerCount(signal) === 0) process.kill(process.pid, signal);
      });
  };
  const stop = () => {
    for (const signal of signals) process.off(signal, onSignal);
  };
  for (const signal of signals) process.on(signal, onSignal);
  return stop;
}
