// The net's map, its places: which boxes and folders are seen, and where dagre puts them, from left to right.
const NODE = { width: 96, height: 118 };
const [TITLE, EDGE_ROOM] = [24, 7]; // above an open folder's entries, and at its other sides

// An entry that is seen: a box, a closed folder, or an open one, which frames what it holds.
const entriesOf = (net, open) => {
  const visible = (folder) => folder === null || (open.has(folder) && visible(net.folders[folder].parent));
  const seen = [];
  net.folders.forEach((folder, i) => { if (visible(folder.parent)) seen.push({ id: "f" + i, folder: i, open: open.has(i), entry: folder }); });
  net.boxes.forEach((box, i) => { if (visible(box.parent)) seen.push({ id: "b" + i, box: i, entry: box }); });
  return seen;
};

// The entry in which a box is seen: itself, or the outermost closed folder around it.
const seenIn = (net, open, box) => {
  let [found, folder] = ["b" + box, net.boxes[box].parent];
  while (folder !== null) {
    if (!open.has(folder)) found = "f" + folder;
    folder = net.folders[folder].parent;
  }
  return found;
};

const placed = (net, open) => {
  const graph = new Graph({ compound: true }).setGraph({ rankdir: "LR", nodesep: 24, ranksep: 22, ranker: "tight-tree" });
  graph.setDefaultEdgeLabel(() => ({}));
  const seen = entriesOf(net, open);
  for (const node of seen) graph.setNode(node.id, node.open ? {} : { ...NODE });
  for (const { id, entry } of seen) if (entry.parent !== null) graph.setParent(id, "f" + entry.parent);
  for (const [a, b] of net.edges) {
    const [from, to] = [seenIn(net, open, a), seenIn(net, open, b)];
    if (from !== to) graph.setEdge(from, to);
  }
  layout(graph);
  const nodes = seen.map((node) => {
    const { x, y } = graph.node(node.id);
    return { ...node, ...NODE, x: x - NODE.width / 2, y: y - NODE.height / 2 };
  });
  framed(nodes);
  const lines = graph.edges().map((edge) => graph.edge(edge).points);
  const drawn = [...nodes, ...lines.flat()];
  const ends = (at, size) => [Math.min(...drawn.map((one) => one[at])), Math.max(...drawn.map((one) => one[at] + (one[size] ?? 0)))];
  const [[left, right], [top, bottom]] = [ends("x", "width"), ends("y", "height")];
  const moved = ({ x, y }) => ({ x: x - left + EDGE_ROOM, y: y - top + EDGE_ROOM });
  return {
    nodes: nodes.map((node) => ({ ...node, ...moved(node) })),
    lines: lines.map((points) => points.map(moved)),
    width: right - left + 2 * EDGE_ROOM,
    height: bottom - top + 2 * EDGE_ROOM,
  };
};

// Open folders lie around what they hold, inner ones first.
const framed = (nodes) => {
  const held = new Map(nodes.map((node) => [node.folder, []]));
  for (const node of nodes) if (node.entry.parent !== null) held.get(node.entry.parent).push(node);
  for (const node of nodes.filter(({ open }) => open).sort((a, b) => b.folder - a.folder)) {
    const inner = held.get(node.folder);
    node.x = Math.min(...inner.map(({ x }) => x)) - EDGE_ROOM;
    node.y = Math.min(...inner.map(({ y }) => y)) - TITLE;
    node.width = Math.max(...inner.map(({ x, width }) => x + width)) + EDGE_ROOM - node.x;
    node.height = Math.max(...inner.map(({ y, height }) => y + height)) + EDGE_ROOM - node.y;
  }
};

// A name without that of the folder it lies in.
const within = (net, { entry }) => {
  const label = entry.label || say("model");
  const around = entry.parent === null ? "" : net.folders[entry.parent].label + ".";
  return around && label.startsWith(around) ? label.slice(around.length) : label;
};

// Folders that are open at first: the outermost ones, as long as a screen holds what is seen then.
const SCREEN = 14;
const openedAtFirst = (net) => {
  const open = new Set();
  const count = () => entriesOf(net, open).filter((node) => !node.open).length;
  for (let again = true; again; ) {
    again = false;
    for (const { folder } of entriesOf(net, open).filter((node) => node.folder !== undefined && !node.open)) {
      open.add(folder);
      if (count() > SCREEN) open.delete(folder);
      else again = true;
    }
  }
  return open;
};
