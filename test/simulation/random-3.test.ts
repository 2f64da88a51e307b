import { describe } from 'vitest';
import { randomScenarios } from './random-scenarios.ts';

describe('random scenarios, part 3', () => randomScenarios(3));
