/**
 * Is a document valid? Answered by the code that would put it in force, certificate files included, so that what
 * passes here is accepted there, as long as the same files are there.
 */
import type { Writable } from 'node:stream';
import { compile } from '../config/compile.ts';
import { readDocuments } from '../discovery/file/document-files.ts';
import { pathsOf } from '../discovery/open-registry.ts';
import { openTls } from '../mesh/service-tls.ts';
import { CertificateSources } from '../tls/certificate-sources.ts';

/** The exit codes of {@link check}. */
const valid = 0;
const invalid = 1;

/**
 * Checks the documents at `paths` together, as a mesh would load them. Answers with the exit code.
 *
 * @param paths of files and folders; also as the option `registry` has them, `file:./mesh.yaml`.
 */
export async function check(paths: readonly string[], out: Writable, err: Writable): Promise<number> {
  let documents: Awaited<ReturnType<typeof readDocuments>>;
  try {
    documents = await readDocuments(
      paths.flatMap((path) => (path.startsWith('file:') ? pathsOf(path.slice(5)) : path)),
    );
  } catch (error) {
    err.write(`${(error as Error).message}\n`);
    return invalid;
  }
  const result = await compile(documents);
  if (!result.ok) {
    err.write(`${result.problems.join('\n')}\n`);
    return invalid;
  }
  for (const warning of result.warnings) err.write(`warning: ${warning}\n`);
  const { services, routes } = result.config;
  const tls = await openTls(services.values(), new CertificateSources());
  if (!tls.ok) {
    err.write(`${tls.problems.join('\n')}\n`);
    return invalid;
  }
  for (const opened of tls.opened.values()) opened.close();
  out.write(`valid: ${services.size} services, rules for ${routes.size} hosts\n`);
  return valid;
}
