import { describe, expect, it } from 'vitest';
import { bookPage } from '../../../examples/bookinfo/book-page.ts';

describe('the page of a book', () => {
  const product = { id: 0, title: 'The Comedy of Errors', details: null, reviews: null };

  it('comes without what could not be had', () => {
    const html = bookPage(product, undefined);
    expect(html).toContain('the details are not available');
    expect(html).toContain('the reviews are not available');
  });

  it('shows the name of a user as text', () => {
    const html = bookPage(product, '<script>alert(1)</script>');
    expect(html).not.toContain('<script>');
    expect(html).toContain('&#60;script&#62;');
  });

  it('shows as many stars as were given', () => {
    const review = { reviewer: 'Reviewer1', text: 'Fine.', rating: { stars: 4, color: 'red' } };
    const html = bookPage({ ...product, reviews: { version: 'v3', replica: 'r', reviews: [review] } }, undefined);
    expect(html).toContain('★★★★☆');
  });
});
