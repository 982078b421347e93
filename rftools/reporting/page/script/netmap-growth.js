// Under the net's map, its growth: sizes from 0 to the image's side, each above the middle of the box it is of.
const GROWTH = 96;
const growth = ({ nodes, width, height }, net) => {
  const group = draw("g", { class: "growth", transform: `translate(0 ${height + 8})` });
  const [top, bottom] = [8, GROWTH - 18];
  const up = (share) => bottom - Math.min(1, share) * (bottom - top);
  for (const share of [0, 1]) group.append(draw("line", { class: share ? "image" : "rule", x1: 0, x2: width, y1: up(share), y2: up(share) }));
  group.append(draw("text", { x: 4, y: bottom + 14, class: "what" }, say("growth", { side: net.side })));
  const closed = nodes.filter((node) => !node.open).sort((a, b) => a.x - b.x);
  const series = { sees: [], uses: [] };
  for (const { x, width: wide, entry } of closed) {
    const values = byName(entry.values);
    const effective = net.figures.find(({ key }) => key === "effective");
    if (values.has("field")) series.sees.push([x + wide / 2, up(values.get("field") / 100)]);
    if (values.has("effective") && effective) series.uses.push([x + wide / 2, up(values.get("effective") / effective.top)]);
  }
  for (const [kind, points] of Object.entries(series)) {
    group.append(draw("path", { class: kind, d: points.map(([x, y], i) => (i ? "L" : "M") + x.toFixed(1) + " " + y.toFixed(1)).join("") }));
    group.append(...points.map(([cx, cy]) => draw("circle", { class: kind, cx, cy, r: 3 })));
  }
  return group;
};
