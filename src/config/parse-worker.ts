/**
 * Why a thread? A YAML text of 10,000 endpoints takes the parser half a second, in which no call would move. This is
 * the thread's entry; it answers one text and is then terminated.
 */
import { parentPort } from 'node:worker_threads';
import { readYaml } from './read-yaml.ts';

parentPort?.once('message', (text: string) => parentPort?.postMessage(readYaml(text)));
