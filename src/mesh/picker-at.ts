import { LocalityPicker } from '../balancing/locality/locality-picker.ts';
import type { Picker } from '../balancing/picker.ts';
import { pickers } from '../balancing/pickers.ts';
import { SessionPicker } from '../balancing/session-picker.ts';
import { aperture } from '../balancing/subset/aperture.ts';
import { rendezvousSubset } from '../balancing/subset/rendezvous-subset.ts';
import { SubsetPicker } from '../balancing/subset/subset-picker.ts';
import type { ServiceConfig } from '../config/mesh-config.ts';
import type { MeshParts } from './mesh-parts.ts';

type PickerParts = Pick<MeshParts, 'place' | 'random' | 'instance' | 'subsetSeed'>;

/**
 * The picker of a service, outermost first: by cookie where it keeps sessions, by locality where it wants that and we know
 * where we are, from a subset (of each locality) where it is large.
 */
export function pickerAt(
  { loadBalancer, locality, session }: Pick<ServiceConfig, 'loadBalancer' | 'locality' | 'session'>,
  parts: PickerParts,
): Picker {
  const { place, random } = parts;
  const makePicker = () => {
    const inner = pickers[loadBalancer.name].picker(loadBalancer, random);
    const { subsetSize } = loadBalancer;
    return subsetSize === undefined ? inner : subsetOf(subsetSize, loadBalancer.panicThresholdPercent, inner, parts);
  };
  const picker =
    locality === undefined || place.locality === ''
      ? makePicker()
      : new LocalityPicker({
          options: locality,
          place,
          makePicker,
          panicThresholdPercent: loadBalancer.panicThresholdPercent,
          random,
        });
  return session === undefined ? picker : new SessionPicker(session, picker);
}

function subsetOf(
  size: number,
  panicThresholdPercent: number,
  inner: Picker,
  { instance, subsetSeed }: PickerParts,
): Picker {
  const choose = instance === undefined ? rendezvousSubset(size, subsetSeed()) : aperture(size, instance);
  return new SubsetPicker({ size, choose, panicThresholdPercent, inner });
}
