/**
 * The page of a book as HTML.
 */
import type { Reviews } from './reviews.ts';

/** A book; null for what could not be had. */
export interface Product {
  readonly id: number;
  readonly title: string;
  readonly details: Readonly<Record<string, string | number>> | null;
  readonly reviews: Reviews | null;
}

/** The page of `product` for `user`. */
export function bookPage({ title, details, reviews }: Product, user: string | undefined): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>${escaped(title)}</title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
  header, footer { color: #666; font-size: .85rem }
  main { display: grid; grid-template-columns: 1fr 2fr; gap: 2rem }
  dt { color: #666; font-size: .85rem } dd { margin: 0 0 .5rem } blockquote { margin: 0 0 1rem }
</style>
<header>${user === undefined ? '<a href="?user=jason">Be jason</a>' : `You are ${escaped(user)}. <a href="?">Sign out</a>`}</header>
<h1>${escaped(title)}</h1>
<main>
  <section><h2>Details</h2>${details === null ? sorry('details') : detailList(details)}</section>
  <section><h2>Reviews</h2>${reviews === null ? sorry('reviews') : reviews.reviews.map(reviewBlock).join('')}</section>
</main>
<footer>${reviews === null ? '' : `Reviews ${escaped(reviews.version)}, served by ${escaped(reviews.replica)}.`}</footer>
</html>
`;
}

type Review = NonNullable<Product['reviews']>['reviews'][number];

function detailList(details: NonNullable<Product['details']>): string {
  const items = Object.entries(details).map(
    ([name, value]) => `<dt>${escaped(name)}</dt><dd>${escaped(String(value))}</dd>`,
  );
  return `<dl>${items.join('')}</dl>`;
}

function reviewBlock({ reviewer, text, rating }: Review): string {
  const stars =
    rating === undefined
      ? ''
      : `<span style="color: ${rating.color}" aria-label="${rating.stars} of 5 stars">${'★'.repeat(rating.stars)}${'☆'.repeat(5 - rating.stars)}</span>`;
  return `<blockquote><p>${escaped(text)}</p><small>${escaped(reviewer)}</small> ${stars}</blockquote>`;
}

function sorry(what: string): string {
  return `<p>Sorry, the ${what} are not available at the moment.</p>`;
}

/** Users name themselves: nothing of theirs is markup. */
function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
