/**
 * How does the compiler know a service? When the mesh is typed with the names of its services, a URL has to name one:
 * `createMesh<'reviews' | 'ratings'>()`. Without names every string is a URL.
 */

/** A URL of one of the services `S`. */
export type ServiceUrl<S extends string> = string extends S
  ? string
  : `${'http' | 'https'}://${S}` | `${'http' | 'https'}://${S}${'/' | '?' | '#' | ':'}${string}`;
