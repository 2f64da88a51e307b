import type { Labels } from '../core/endpoint.ts';

/** Whether an endpoint of these labels is in the subset that wants those. */
export function hasLabels(labels: Labels, wanted: Labels): boolean {
  for (const name of Object.keys(wanted)) if (labels[name] !== wanted[name]) return false;
  return true;
}
