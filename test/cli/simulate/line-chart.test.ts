import { describe, expect, it } from 'vitest';
import { lineChart } from '../../../src/cli/simulate/line-chart.ts';

const chart = { title: 'success', xLabel: 'seconds', yLabel: '%' };

/** The `d` of each line. */
function paths(svg: string): string[] {
  return [...svg.matchAll(/<path d="([^"]*)"/g)].map(([, path]) => path as string);
}

describe('lineChart', () => {
  it('draws a point for each value, greater ones higher', () => {
    const svg = lineChart({
      ...chart,
      lines: [
        {
          name: 'a',
          points: [
            [0, 0],
            [10, 5],
            [20, 10],
          ],
        },
      ],
    });
    expect(paths(svg)).toEqual(['M64 184L344 108L624 32']);
  });

  it('interrupts a line where there is no value', () => {
    const svg = lineChart({
      ...chart,
      lines: [
        {
          name: 'a',
          points: [
            [0, 1],
            [1, Number.NaN],
            [2, 1],
          ],
        },
      ],
    });
    expect(paths(svg)[0]?.match(/[ML]/g)).toEqual(['M', 'M']);
  });

  it('draws nothing outlandish without any value', () => {
    const svg = lineChart({ ...chart, lines: [{ name: 'a', points: [[0, Number.NaN]] }] });
    expect(svg).not.toMatch(/NaN|Infinity/);
  });

  it('writes names as text', () => {
    const svg = lineChart({ ...chart, title: '<b> & "c"', lines: [{ name: 'a<b', points: [[0, 1]] }] });
    expect(svg).toContain('&lt;b&gt; &amp; &quot;c&quot;');
    expect(svg).toContain('a&lt;b');
  });

  it('shades the time of an event', () => {
    const band = { from: 5, until: 10, label: 'outage' };
    const svg = lineChart({
      ...chart,
      band,
      lines: [
        {
          name: 'a',
          points: [
            [0, 1],
            [20, 1],
          ],
        },
      ],
    });
    expect(svg).toContain('<rect x="204" y="32" width="140"');
    expect(svg).toContain('outage');
  });
});
