/**
 * How many stars each reviewer gives.
 */
import { replica, serve } from './serve.ts';

await serve('ratings', async ({ path }) => {
  if (!path.startsWith('/ratings/')) return { status: 404, json: { error: `there is no ${path}` } };
  return { json: { id: Number(path.slice('/ratings/'.length)), ratings: { Reviewer1: 5, Reviewer2: 4 }, replica } };
});
