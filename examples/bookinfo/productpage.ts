/**
 * The page of a book, from `details` and `reviews`, which are asked at the same time. What does not answer is left out:
 * half a page is better than none.
 */
import type { Mesh } from 'inmesh';
import { bookPage, type Product } from './book-page.ts';
import { type Incoming, serve } from './serve.ts';

const products = [{ id: 0, title: 'The Comedy of Errors' }];

await serve('productpage', async (incoming, mesh) => {
  const { path } = incoming;
  if (path === '/' || path === '/productpage')
    return { html: bookPage(await productOf(0, incoming, mesh), incoming.user) };
  if (path === '/api/v1/products') return { json: products };
  const id = /^\/api\/v1\/products\/(\d+)$/.exec(path)?.[1];
  if (id === undefined || products[Number(id)] === undefined)
    return { status: 404, json: { error: `there is no ${path}` } };
  return { json: await productOf(Number(id), incoming, mesh) };
});

async function productOf(id: number, { user }: Incoming, mesh: Mesh): Promise<Product> {
  // The user goes along: routes of the mesh may depend on it.
  const headers = user === undefined ? {} : { 'end-user': user };
  const ask = async (url: string) => {
    const response = await mesh.fetch(url, { headers, mesh: { fallback: () => null } });
    return response.ok ? response.json() : null;
  };
  const [details, reviews] = await Promise.all([
    ask(`http://details/details/${id}`),
    ask(`http://reviews/reviews/${id}`),
  ]);
  return { id, title: products[id]?.title ?? '', details, reviews } as Product;
}
