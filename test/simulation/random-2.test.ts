import { describe } from 'vitest';
import { randomScenarios } from './random-scenarios.ts';

describe('random scenarios, part 2', () => randomScenarios(2));
