import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { multipartBlob } from '../../src/http/multipart.ts';

type Entry = readonly [string, string | { name: string; type: string; content: string }];

function formOf(entries: readonly Entry[]): FormData {
  const form = new FormData();
  for (const [name, value] of entries) {
    if (typeof value === 'string') form.append(name, value);
    else form.append(name, new File([value.content], value.name, { type: value.type }));
  }
  return form;
}

/** What a reader of `fetch`'s kind sees in a body with that type. */
async function read(body: Blob | FormData, type?: string): Promise<Entry[]> {
  const response = new Response(body, type === undefined ? undefined : { headers: { 'content-type': type } });
  const entries: Entry[] = [];
  for (const [name, value] of await response.formData()) {
    if (typeof value === 'string') entries.push([name, value]);
    else entries.push([name, { name: value.name, type: value.type, content: await value.text() }]);
  }
  return entries;
}

const text = fc.oneof(
  fc.string({ maxLength: 6 }),
  fc.constantFrom('', 'ä😀', 'a\nb', 'a\r\nb', 'a\rb', '\r\n--', 'a"b', '%22', 'a\\b', ' a '),
);
const name = fc.oneof(
  fc.stringMatching(/^[a-z]{1,5}$/),
  fc.constantFrom('ä😀', 'a"b', 'a\nb', 'a\r\nb', 'a b', "a'b", '%0A'),
);
const file = fc.record({ name, type: fc.constantFrom('', 'text/plain', 'image/png'), content: text });

describe('multipartBlob', () => {
  it('is read back as what fetch itself makes of the form', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(name, fc.oneof(text, file)), { maxLength: 4 }), async (entries) => {
        const form = formOf(entries);
        const blob = multipartBlob(form);
        expect(await read(blob, blob.type)).toEqual(await read(form));
      }),
      { numRuns: 200 },
    );
  });

  it('keeps the order and the repetition of names', async () => {
    const entries: Entry[] = [
      ['a', '1'],
      ['b', '2'],
      ['a', '3'],
    ];
    const blob = multipartBlob(formOf(entries));
    expect(await read(blob, blob.type)).toEqual(entries);
  });

  it('has a new boundary each time, which its type names', async () => {
    const [one, two] = [multipartBlob(formOf([['a', '1']])), multipartBlob(formOf([['a', '1']]))];
    expect(one.type).toMatch(/^multipart\/form-data; boundary=----inmesh-[0-9a-f-]{36}$/);
    expect(one.type).not.toBe(two.type);
    expect(await one.text()).toContain(`--${one.type.split('boundary=')[1]}--`);
  });

  it('keeps bytes as they are', async () => {
    const bytes = Uint8Array.from({ length: 256 }, (_, index) => index);
    const form = new FormData();
    form.append('f', new Blob([bytes]), 'f.bin');
    const blob = multipartBlob(form);
    const back = await new Response(blob, { headers: { 'content-type': blob.type } }).formData();
    expect(await (back.get('f') as File).bytes()).toEqual(bytes);
  });
});
