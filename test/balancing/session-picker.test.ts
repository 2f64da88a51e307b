import { PowerOfTwoPicker } from '../../src/balancing/power-of-two.ts';
import { SessionPicker } from '../../src/balancing/session-picker.ts';
import { pickerContract } from '../contracts/picker-contract.ts';

const options = { cookieName: 'stay', path: '/', maxAgeSeconds: undefined };

pickerContract('session affinity', (panic, random) => new SessionPicker(options, new PowerOfTwoPicker(panic, random)));
