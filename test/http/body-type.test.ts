import { FormData as UndiciFormData } from 'undici';
import { describe, expect, it } from 'vitest';
import { formAsBlob, withTypeOf } from '../../src/http/body-type.ts';

describe('formAsBlob', () => {
  it.each([FormData, UndiciFormData])('makes a Blob with a type of a form', (Form) => {
    const blob = formAsBlob(new Form() as FormData) as Blob;
    expect(blob).toBeInstanceOf(Blob);
    expect(blob.type).toMatch(/^multipart\/form-data; boundary=/);
  });

  it.each([null, undefined, 'text', Buffer.from('x'), new Blob([])])('leaves any other body as it is', (body) => {
    expect(formAsBlob(body)).toBe(body);
  });
});

describe('withTypeOf', () => {
  it('adds the type of a Blob to the headers', () => {
    const headers = ['a', '1'];
    expect(withTypeOf(new Blob([], { type: 'text/css' }), headers)).toEqual(['a', '1', 'content-type', 'text/css']);
    expect(headers).toEqual(['a', '1']);
  });

  it('leaves the headers alone when they have one, or the body has none', () => {
    const typed = ['content-type', 'image/png'];
    expect(withTypeOf(new Blob([], { type: 'text/css' }), typed)).toBe(typed);
    expect(withTypeOf(new Blob([]), [])).toEqual([]);
    expect(withTypeOf('text', [])).toEqual([]);
  });
});
