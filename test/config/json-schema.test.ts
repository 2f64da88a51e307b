import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { meshJsonSchema } from '../../src/config/json-schema.ts';

const file = fileURLToPath(new URL('../../schema.json', import.meta.url));

describe('meshJsonSchema', () => {
  it('is what schema.json holds; vitest -u writes it', async () => {
    await expect(`${JSON.stringify(meshJsonSchema(), null, 2)}\n`).toMatchFileSnapshot(file);
  });

  it('describes fields and refuses unknown ones', () => {
    expect(meshJsonSchema()).toMatchObject({
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      additionalProperties: false,
      properties: {
        services: {
          items: {
            required: ['host'],
            additionalProperties: false,
            properties: { host: { description: expect.any(String), pattern: expect.any(String) } },
          },
        },
      },
    });
  });
});
