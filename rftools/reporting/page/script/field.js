// Any unit's theoretical window, from the law of its layer's field.

// One axis of one unit: its ends, border or not, and the runs of pixels inside the image that reach it.
const span = (axis, index, side, movable) => {
  const special = axis.special[index];
  if (axis.global) return { low: 0, high: side - 1, runs: special || (movable ? [[0, side - 1]] : axis.runs), whole: true };
  if (!movable) return { low: axis.window[0], high: axis.window[1], runs: axis.runs, whole: false };
  const count = axis.phases.length;
  const phase = axis.phases[index % count];
  const low = phase.start + Math.floor(index / count) * axis.jump;
  const runs = [];
  let from = low;
  for (const [offset, length] of [...phase.holes, [phase.size, 0]]) {
    const [a, b] = [Math.max(from, 0), Math.min(low + offset - 1, side - 1)];
    if (a <= b) runs.push([a, b]);
    from = low + offset + length;
  }
  return { low, high: low + phase.size - 1, runs: special || runs, whole: false };
};
const spansOf = (layer, unit, sides) => layer.axes.map((axis, i) => span(axis, unit[i], sides[i], layer.movable));
const middle = ({ low, high }) => (low + high + 1) / 2;
const inside = ({ runs }) => runs.reduce((sum, [a, b]) => sum + b - a + 1, 0);

// The index of the unit whose centre lies nearest to a point along an axis.
const nearestIndex = (axis, at, side) => {
  let best = 0;
  let least = Infinity;
  for (let index = 0; index < axis.n; index++) {
    const off = Math.abs(middle(span(axis, index, side, true)) - at);
    if (off < least) [best, least] = [index, off];
  }
  return best;
};
