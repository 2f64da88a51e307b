/**
 * Which files make up a file registry, and what is in them? A path is a file, or a folder of `.yaml`, `.yml` and `.json`
 * files; hidden files and what editors leave behind (`mesh.yaml~`, `.mesh.yaml.swp`) do not count.
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { MeshError } from '../../core/errors.ts';
import type { RawDocument } from '../registry.ts';

/** More files than this are a wrong folder. */
const maxFiles = 1_000;

/** More bytes than this are a wrong file. */
const maxFileBytes = 32 * 1024 * 1024;

/** Whether a file of this name in a folder is a document. */
export function isDocumentName(name: string): boolean {
  return /^[^.#].*\.(ya?ml|json)$/i.test(name);
}

/**
 * The files at the paths, those of a folder by name.
 *
 * @throws MeshError `INMESH_REGISTRY` for a path that is not there, and for a folder without documents.
 */
async function listFiles(paths: readonly string[]): Promise<string[]> {
  const files: string[] = [];
  for (const path of paths) {
    const names = await folderNames(path);
    if (names === undefined) files.push(path);
    else files.push(...names.map((name) => join(path, name)));
    if (names?.length === 0) {
      throw new MeshError('INMESH_REGISTRY', `${path} has no file that ends in .yaml, .yml or .json`);
    }
  }
  if (files.length <= maxFiles) return files;
  throw new MeshError('INMESH_REGISTRY', `${paths.join(', ')}: ${files.length} files; allowed: at most ${maxFiles}`);
}

async function folderNames(path: string): Promise<string[] | undefined> {
  try {
    return (await readdir(path)).filter(isDocumentName).sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOTDIR') return undefined;
    throw unreadable(path, error);
  }
}

/**
 * A text that changes when a file is written, replaced, added or removed. Costs a stat a file, and no reading.
 * What cannot be read is part of the text.
 */
export async function filesSignature(paths: readonly string[]): Promise<string> {
  try {
    const files = await listFiles(paths);
    const stats = await Promise.all(files.map((file) => stat(file, { bigint: true })));
    const parts = stats.map(({ dev, ino, size, mtimeNs, ctimeNs }, index) =>
      [files[index], dev, ino, size, mtimeNs, ctimeNs].join(':'),
    );
    return parts.join('\n');
  } catch (error) {
    return `unreadable: ${(error as Error).message}`;
  }
}

/**
 * Reads all files.
 *
 * @throws MeshError `INMESH_REGISTRY` when one of them cannot be read: a part of the documents is not the mesh.
 */
export async function readDocuments(paths: readonly string[]): Promise<readonly RawDocument[]> {
  const documents: RawDocument[] = [];
  for (const name of await listFiles(paths)) documents.push({ name, text: await readText(name) });
  return documents;
}

async function readText(file: string): Promise<string> {
  try {
    const { size } = await stat(file);
    if (size <= maxFileBytes) return await readFile(file, 'utf8');
    throw new Error(`${size} bytes; allowed: at most ${maxFileBytes}`);
  } catch (error) {
    throw unreadable(file, error);
  }
}

function unreadable(path: string, cause: unknown): MeshError {
  return new MeshError('INMESH_REGISTRY', `${path} cannot be read: ${(cause as Error).message}`, { cause });
}
