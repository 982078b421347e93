// The net's map: every layer with its field, coloured by a figure; folders open, the choice is shared with all views.
view(async () => {
  const net = read("netmap-data");
  if (!net) return;
  await rest();
  const [svg, colourBy, search] = [$("netmap"), $("nm-by"), $("nm-search")];
  const contours = new Map((read("opening-data") || { layers: [] }).layers.map((layer) => [layer.name, layer.inner]));
  const left = byName((read("explorer-data") || {}).surviving);
  const colours = parsed(JSON.parse(svg.dataset.colours));
  const open = openedAtFirst(net);
  const canvas = svg.querySelector("g");
  let drawn = { nodes: [], lines: [], width: 1, height: 1 };
  let current = null;

  const figure = () => net.figures.find(({ key }) => key === colourBy.value);
  const valueOf = (entry) => byName(entry.values).get(colourBy.value);
  const shown = (value) => say("value_" + colourBy.value, { value: value.toFixed(colourBy.value === "resultant" ? 2 : value < 9.95 ? 1 : 0) });

  // A field in small: the image's outline, the window in it, the contour that holds half, and what pruning left.
  const glyph = (entry) => {
    const side = 58 / Math.max(net.height, net.width);
    const [width, height] = [net.width * side, Math.max(8, net.height * side)];
    const group = draw("g", { transform: `translate(${(NODE.width - width) / 2} ${24 + (58 - height) / 2}) scale(${width / net.width} ${height / net.height})` });
    group.append(draw("rect", { class: "image", width: net.width, height: net.height }));
    if (!entry.window) return group;
    const [x, y, w, h] = entry.window;
    group.append(draw("rect", { class: "sees", x, y, width: w, height: h }));
    const mask = entry.layer === null ? undefined : left.get(entry.layer);
    if (mask && mask.url && mask.share < 0.995) group.append(draw("image", { href: mask.url, x: mask.x, y: mask.y, width: mask.width, height: mask.height, preserveAspectRatio: "none" }));
    const inner = contours.get(entry.measured);
    if (inner) group.append(draw("path", { class: "inner", d: inner }));
    return group;
  };
  const sentence = ({ entry, folder }) => {
    const parts = [`${entry.label || say("model")}, ${entry.kind}`];
    if (entry.field) parts.push(say("sees", { field: entry.field }));
    for (const { key, title } of net.figures) {
      const value = byName(entry.values).get(key);
      if (key !== "field" && value !== undefined) parts.push(`${title}: ${say("value_" + key, { value: value.toFixed(key === "resultant" ? 2 : 1) })}`);
    }
    if (folder !== undefined) parts.push(say(open.has(folder) ? "closes" : "opens"));
    return parts.join("; ");
  };

  const drawNode = (node) => {
    const { entry, folder } = node;
    const group = draw("g", { class: ["node", node.open ? "frame" : folder === undefined ? "box" : "folder", entry.state].join(" ").trim(), transform: `translate(${node.x} ${node.y})`, tabindex: "-1", role: "button", "aria-label": sentence(node) });
    group.dataset.id = node.id;
    if (folder !== undefined) group.setAttribute("aria-expanded", String(node.open));
    group.append(draw("title", {}, sentence(node)));
    if (folder !== undefined && !node.open) group.append(draw("rect", { class: "under", x: 3, y: -3, width: node.width, height: node.height, rx: 5 }));
    group.append(draw("rect", { class: "card", width: node.width, height: node.height, rx: 5 }));
    const most = Math.floor((node.width - 12) / 6.4);
    group.append(draw("text", { x: 6, y: 16, class: "name" }, (folder === undefined ? "" : node.open ? "− " : "+ ") + brief(within(net, node), most - (folder === undefined ? 0 : 2))));
    if (node.open) return group;
    group.append(glyph(entry));
    const value = valueOf(entry);
    if (value !== undefined) group.append(draw("rect", { class: "colour", x: 5, y: 84, width: node.width - 10, height: 7, rx: 2, fill: `rgb(${mix(colours, value / figure().top)})` }));
    group.append(draw("text", { x: 6, y: 107, class: "what" }, value === undefined ? entry.field || brief(entry.kind, most) : shown(value)));
    return group;
  };
  const curve = (points) => points.map(({ x, y }, i) => (i ? "L" : "M") + x.toFixed(1) + " " + y.toFixed(1)).join("");

  const ends = () => $("nm-scale").querySelectorAll("span");
  const paint = () => {
    const frames = drawn.nodes.filter((node) => node.open).sort((a, b) => b.width - a.width);
    canvas.replaceChildren(
      ...frames.map(drawNode),
      ...drawn.lines.map((points) => draw("path", { class: "line", d: curve(points) })),
      ...drawn.nodes.filter((node) => !node.open).map(drawNode),
      growth(drawn, net),
    );
    const { title, top } = figure();
    const [low, high] = ends();
    [low.textContent, high.textContent] = [say("value_" + colourBy.value, { value: 0 }), say("value_" + colourBy.value, { value: +top.toFixed(1) })];
    $("nm-scale").setAttribute("aria-label", title);
    mark();
  };
  const nodeOf = (id) => [...canvas.querySelectorAll(".node")].find((node) => node.dataset.id === id);
  const mark = () => {
    for (const node of canvas.querySelectorAll(".node")) {
      const here = node.dataset.id === current;
      node.setAttribute("tabindex", here || (current === null && node === canvas.querySelector(".node")) ? "0" : "-1");
      if (here) node.setAttribute("aria-current", "true");
      else node.removeAttribute("aria-current");
    }
  };

  // Pan and zoom: by drag, pinch, buttons, or the wheel with a key; words go where they would be too small.
  const zooming = zoom().scaleExtent([0.15, 3]).filter((event) => (event.type === "wheel" ? event.ctrlKey || event.metaKey : !event.button))
    .on("zoom", ({ transform }) => {
      canvas.setAttribute("transform", transform);
      svg.classList.toggle("far", transform.k < 0.9);
    });
  const view = select(svg).call(zooming).on("dblclick.zoom", null);
  const room = () => [svg.clientWidth || 800, svg.clientHeight || 300];
  const fit = () => {
    const [width, height] = room();
    const scale = Math.min(1, width / drawn.width, height / (drawn.height + GROWTH));
    view.call(zooming.transform, zoomIdentity.translate(Math.max(0, (width - scale * drawn.width) / 2), 0).scale(scale));
  };
  const reveal = (id) => {
    const node = drawn.nodes.find((each) => each.id === id);
    if (!node) return;
    const [width] = room();
    const { k, x } = zoomTransform(svg);
    const [from, to] = [node.x * k + x, (node.x + NODE.width) * k + x];
    if (from < 0 || to > width) view.call(zooming.transform, zoomIdentity.translate(width / 2 - (node.x + NODE.width / 2) * k, 0).scale(k));
  };
  const relayout = () => {
    drawn = placed(net, open);
    svg.style.height = Math.min(640, Math.max(240, drawn.height + GROWTH + 8)) + "px";
    zooming.translateExtent([[-40, -40], [drawn.width + 40, drawn.height + GROWTH + 40]]);
    paint();
  };
  const begin = () => {
    fit();
    const { k } = zoomTransform(svg);
    if (k < 0.9) view.call(zooming.transform, zoomIdentity.scale(Math.min(1, room()[1] / (drawn.height + GROWTH), 0.9)));
    if (current) reveal(current);
  };

  const press = (id) => {
    const node = drawn.nodes.find((each) => each.id === id);
    current = id;
    if (node.folder !== undefined) {
      if (open.has(node.folder)) open.delete(node.folder);
      else open.add(node.folder);
      relayout();
      reveal(id);
      nodeOf(id).focus({ preventScroll: true });
    } else mark();
    if (node.entry.layer !== null) choose({ layer: node.entry.layer }, chosen);
  };
  const openTo = (box) => {
    const wasOpen = open.size;
    for (let folder = net.boxes[box].parent; folder !== null; folder = net.folders[folder].parent) open.add(folder);
    current = "b" + box;
    if (open.size > wasOpen) relayout();
    else mark();
    reveal(current);
  };
  const chosen = ({ layer, by }) => {
    if (by !== null && by !== colourBy.value && net.figures.some(({ key }) => key === by)) {
      colourBy.value = by;
      paint();
    }
    if (layer === null) return;
    const held = (list) => list.findIndex((entry) => entry.layer === layer);
    const box = held(net.boxes);
    const folder = held(net.folders);
    if (box >= 0) current = seenIn(net, open, box);
    else if (folder >= 0) current = "f" + folder;
    else return;
    mark();
    reveal(current);
  };

  canvas.addEventListener("click", (event) => { const node = event.target.closest(".node"); if (node) press(node.dataset.id); });
  canvas.addEventListener("keydown", (event) => {
    const here = event.target.closest(".node");
    const all = [...canvas.querySelectorAll(".node")].sort((a, b) => drawn.nodes.findIndex((n) => n.id === a.dataset.id) - drawn.nodes.findIndex((n) => n.id === b.dataset.id));
    if (event.key === "Enter" || event.key === " ") press(here.dataset.id);
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const sorted = all.filter((node) => !node.classList.contains("frame") || node === here);
    const next = step && sorted[sorted.indexOf(here) + step];
    if (next) {
      here.setAttribute("tabindex", "-1");
      next.setAttribute("tabindex", "0");
      next.focus({ preventScroll: true });
      reveal(next.dataset.id);
    }
    if (step || event.key === "Enter" || event.key === " ") event.preventDefault();
  });
  for (const [id, by] of [["nm-in", 1.4], ["nm-out", 1 / 1.4]]) $(id).addEventListener("click", () => view.call(zooming.scaleBy, by));
  $("nm-fit").addEventListener("click", fit);
  colourBy.addEventListener("change", () => { paint(); choose({ by: colourBy.value }, chosen); });
  let hit = -1;
  const find = (forward) => {
    const wanted = search.value.trim().toLowerCase();
    const hits = [...net.boxes.keys()].filter((box) => wanted && `${net.boxes[box].label} ${net.boxes[box].kind}`.toLowerCase().includes(wanted));
    hit = hits.length ? (forward ? (hit + 1) % hits.length : 0) : -1;
    $("nm-found").textContent = wanted ? say("found", { place: hit + 1, count: hits.length }) : "";
    if (hit >= 0) openTo(hits[hit]);
  };
  search.addEventListener("input", () => find(false));
  search.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    find(true);
    if (hit >= 0 && drawn.nodes.some(({ id }) => id === current)) choose({ layer: drawn.nodes.find(({ id }) => id === current).entry.layer }, chosen);
  });
  $("netmap-tool").hidden = false;
  $("netmap-none").hidden = true;
  await rest();
  relayout();
  begin();
  window.addEventListener("resize", begin);
  follow(chosen);
});
