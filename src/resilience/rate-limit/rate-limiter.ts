/**
 * Whose calls share a bucket? Those of a service, or of a route; with a key those with the same value of a header, so that
 * one tenant does not use up what the others have.
 */
import type { HeaderList } from '../../core/call.ts';
import { findHeader } from '../../http/header-list.ts';
import { TokenBucket, type TokenBucketOptions } from './token-bucket.ts';

/** The rate of the calls of a service or a route. */
export interface RateLimitOptions extends TokenBucketOptions {
  /** A bucket for each value of this header (lower case); `undefined` for one bucket. */
  readonly headerName: string | undefined;
  /** Whether calls beyond the rate are counted and let through. Default false. */
  readonly darkMode: boolean;
}

export const rateLimitDefaults = Object.freeze({ tokensPerFill: 1, darkMode: false });

/** Buckets of values; the one that was not asked for longest makes room, and begins full when it comes back. */
const maxKeys = 10_000;
/** Values that differ only beyond this share a bucket: what a caller sends does not decide how much is kept. */
const maxKeyCharacters = 256;

/** The buckets of one limit. */
export class RateLimiter {
  readonly options: RateLimitOptions;
  /** For all calls; with a key for those without the header. */
  private readonly common: TokenBucket;
  /** By value, in the order of their last use. */
  private readonly byKey = new Map<string, TokenBucket>();

  constructor(options: RateLimitOptions, now: number) {
    this.options = options;
    this.common = new TokenBucket(options, now);
  }

  /** As {@link TokenBucket.take}, from the bucket of a call with `headers`. */
  take(headers: HeaderList, now: number): number {
    const { headerName } = this.options;
    if (headerName === undefined) return this.common.take(now);
    const value = findHeader(headers, headerName);
    return (value === undefined ? this.common : this.bucketOf(value, now)).take(now);
  }

  private bucketOf(value: string, now: number): TokenBucket {
    const { byKey } = this;
    const key = value.length > maxKeyCharacters ? value.slice(0, maxKeyCharacters) : value;
    const known = byKey.get(key);
    if (known !== undefined) byKey.delete(key);
    else if (byKey.size >= maxKeys) byKey.delete(byKey.keys().next().value as string);
    const bucket = known ?? new TokenBucket(this.options, now);
    byKey.set(known === undefined ? copyOf(key) : key, bucket);
    return bucket;
  }
}

/** A part of a string keeps the whole of it in memory. */
function copyOf(text: string): string {
  return Buffer.from(text, 'utf16le').toString('utf16le');
}
