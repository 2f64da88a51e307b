/**
 * What is known about a book.
 */
import { replica, serve } from './serve.ts';

await serve('details', async ({ path }) => {
  if (!path.startsWith('/details/')) return { status: 404, json: { error: `there is no ${path}` } };
  return {
    json: {
      id: Number(path.slice('/details/'.length)),
      author: 'William Shakespeare',
      year: 1595,
      type: 'paperback',
      pages: 200,
      publisher: 'PublisherA',
      isbn10: '1234567890',
      replica,
    },
  };
});
