// Effective maps: unpacked when a layer is first looked at, and painted as translucent colours.

// A layer's maps: one byte a block, a log scale of `decades` below the map's largest value, 0 being zero.
const unpack = async ({ units, data }, decades) => {
  const packed = Uint8Array.from(atob(data), (char) => char.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  let from = 0;
  return units.map(({ shape: [rows, columns] }) => {
    const values = Float64Array.from(bytes.subarray(from, from + rows * columns), (code) => (code ? 10 ** ((decades * (code - 255)) / 254) : 0));
    from += rows * columns;
    const sum = values.reduce((a, b) => a + b, 0);
    return values.map((value) => value / sum);
  });
};

// For each block the share of the sum that stronger ones hold: 0 at the strongest, 1 where nothing is.
const ranked = (shares) => {
  const falling = [...shares.keys()].sort((a, b) => shares[b] - shares[a]);
  const held = new Float64Array(shares.length).fill(1);
  let sum = 0;
  for (const i of falling) {
    if (shares[i] === 0) break;
    held[i] = sum;
    sum += shares[i];
  }
  return held;
};

const parsed = (colours) => colours.map((hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16)));
const mix = (colours, at) => {
  const place = Math.max(0, Math.min(1, at)) * (colours.length - 1);
  const [i, part] = [Math.min(colours.length - 2, Math.floor(place)), place - Math.min(colours.length - 2, Math.floor(place))];
  return colours[i].map((value, k) => Math.round(value + part * (colours[i + 1][k] - value)));
};

const painted = (rows, columns, colourOf) => {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [columns, rows];
  const context = canvas.getContext("2d");
  const image = context.createImageData(columns, rows);
  for (let i = 0; i < rows * columns; i++) image.data.set(colourOf(i), 4 * i);
  context.putImageData(image, 0, 0);
  return canvas.toDataURL();
};

// The strongest blocks are bright and cover most; what is weak lets the picture through.
const opacity = (held) => Math.round(230 * (1 - held) ** 0.7);
const effectivePicture = (shares, [rows, columns], colours) => {
  const held = ranked(shares);
  return painted(rows, columns, (i) => [...mix(colours, 1 - held[i]), opacity(held[i])]);
};

// A unit's map less the centre's, which is moved to the unit: shares a pixel, on a plane of at most 112 a side.
const PLANE = 112;
const density = (shares, { box: [left, top, width, height], shape: [rows, columns] }, x, y) => {
  const [i, j] = [Math.floor(((y - top) / height) * rows), Math.floor(((x - left) / width) * columns)];
  return i < 0 || j < 0 || i >= rows || j >= columns ? 0 : (shares[i * columns + j] * rows * columns) / (width * height);
};
const differencePicture = (own, centre, [dx, dy], { height, width }, colours) => {
  const step = Math.ceil(Math.max(height, width) / PLANE);
  const [rows, columns] = [Math.ceil(height / step), Math.ceil(width / step)];
  const change = Float64Array.from({ length: rows * columns }, (_, i) => {
    const [x, y] = [((i % columns) + 0.5) * step, (Math.floor(i / columns) + 0.5) * step];
    return density(own.shares, own, x, y) - density(centre.shares, centre, x - dx, y - dy);
  });
  const top = change.reduce((most, value) => Math.max(most, Math.abs(value)), 0) || 1;
  const url = painted(rows, columns, (i) => [...mix(colours, 0.5 + change[i] / top / 2), Math.round(235 * Math.min(1, (3 * Math.abs(change[i])) / top))]);
  return { url, box: [0, 0, columns * step, rows * step] };
};
