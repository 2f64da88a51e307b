/**
 * How does an editor know the mesh document? By its JSON Schema, made of the schema that checks it: the file
 * `schema.json` of the package is this, written out. What cannot be said in JSON Schema (durations, names that have to
 * be defined) is left to the check at run time.
 */
import { z } from 'zod';
import { meshSchema } from './schema.ts';

/** The JSON Schema (draft 2020-12) of a mesh document. */
export function meshJsonSchema(): Record<string, unknown> {
  const { $schema, ...schema } = z.toJSONSchema(meshSchema, { io: 'input' });
  return {
    $schema,
    title: 'inmesh document',
    description: 'Services, how they may be used, and how requests find them. Durations: 250ms, 1.5s, 1m, 1h.',
    ...schema,
  };
}
