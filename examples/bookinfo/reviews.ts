/**
 * What readers say. v1 has no stars; v2 and v3 ask `ratings` for them, and do without when there are none.
 */
import { replica, serve, version } from './serve.ts';

/** What `reviews` answers. */
export interface Reviews {
  readonly version: string;
  readonly replica: string;
  readonly reviews: readonly Review[];
}

interface Review {
  readonly reviewer: string;
  readonly text: string;
  readonly rating?: { readonly stars: number; readonly color: string };
}

/** What `ratings` answers. */
interface Ratings {
  readonly ratings: Readonly<Record<string, number>>;
}

const texts: readonly Review[] = [
  {
    reviewer: 'Reviewer1',
    text: 'An extremely entertaining play by Shakespeare. The slapstick humour is refreshing!',
  },
  {
    reviewer: 'Reviewer2',
    text: 'Absolutely fun and entertaining. The play lacks thematic depth when compared to other plays by Shakespeare.',
  },
];

const color = version === 'v2' ? 'black' : version === 'v3' ? 'red' : undefined;

await serve('reviews', async ({ path, user }, mesh) => {
  if (!path.startsWith('/reviews/')) return { status: 404, json: { error: `there is no ${path}` } };
  const answer = (reviews: readonly Review[]) => ({ json: { version, replica, reviews } satisfies Reviews });
  if (color === undefined) return answer(texts);

  const response = await mesh.fetch(`http://ratings/ratings/${path.slice('/reviews/'.length)}`, {
    headers: user === undefined ? {} : { 'end-user': user },
    // Too late, refused or not there: the reviews are worth reading without stars.
    mesh: { fallback: () => ({ ratings: {} }) },
  });
  const { ratings }: Ratings = response.ok ? ((await response.json()) as Ratings) : { ratings: {} };
  return answer(
    texts.map((review) => {
      const stars = ratings[review.reviewer];
      return stars === undefined ? review : { ...review, rating: { stars, color } };
    }),
  );
});
