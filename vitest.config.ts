import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 30_000,
    hookTimeout: 30_000,
    // The sockets, child processes and simulations of the suite share two cores on a small machine.
    maxWorkers: 2,
    typecheck: { enabled: false },
  },
});
