// Explorer: any unit's window, and the effective field of the measured unit nearest to it.
view(async () => {
  const data = read("explorer-data");
  if (!data) return;
  await rest();
  const { sides } = data;
  const flat = sides.length === 1;
  const last = sides.length - 1;
  const [rowInput, columnInput, select, overlay] = [$("ex-row"), $("ex-column"), $("ex-layer"), $("ex-overlay")];
  const [maps, surviving] = [byName(data.maps), byName(data.surviving)];
  const [colours, parting] = [parsed(data.colours), parsed(data.parting)];
  const at = { layer: data.start, unit: [] };
  const unpacked = new Map();
  data.layers.forEach((layer, i) => order.set(layer.name, i));
  $("no-script").hidden = true;
  $("explorer-tool").hidden = false;

  const layerHere = () => data.layers[at.layer];
  const plane = (all) => (flat ? [{ low: 0, high: data.height - 1, runs: [[0, data.height - 1]], whole: false }, all[0]] : all.slice(-2));
  const centreOf = (layer, unit) => plane(spansOf(layer, unit, sides)).map(middle).reverse();
  const show = (id, shown) => $(id).setAttribute("visibility", shown ? "visible" : "hidden");

  // The measured unit nearest to the chosen one, in pixels between their centres.
  const measuredHere = (layer) => {
    const known = maps.get(layer.name);
    if (!known) return null;
    const here = centreOf(layer, at.unit);
    const far = known.units.map(({ unit }) => {
      const there = layer.movable ? centreOf(layer, unit) : here;
      return Math.hypot(here[0] - there[0], here[1] - there[1]) + (unit.join() === at.unit.join() ? -1 : 0);
    });
    const place = far.indexOf(Math.min(...far));
    return { place, own: known.units[place], exact: far[place] < 0 || !layer.movable, known };
  };

  // What pruning left: known at one unit; moved with the unit where the field's law lets it.
  const pruned = surviving.size > 0;
  const leftHere = (layer, all) => {
    const left = surviving.get(layer.name);
    if (left === undefined) return { words: say("not_left") };
    const own = left.unit.join() === at.unit.join();
    if (!own && !(left.movable && layer.movable)) return { words: say("left_at", { unit: left.unit.join(", ") }) };
    const moved = layer.axes.map((axis, i) => (own ? 0 : (at.unit[i] - left.unit[i]) * axis.jump));
    const [y, x] = flat ? [0, moved[0]] : moved.slice(-2);
    const cut = all.some((f, i) => f.low < 0 || f.high >= sides[i]);
    const values = { pixels: left.pixels.toLocaleString("en"), share: (100 * left.share).toFixed(1), unit: left.unit.join(", ") };
    const box = { x: left.x + x, y: left.y + y, width: left.width, height: flat ? data.height : left.height };
    return { words: say("left", { bound: own || !cut ? "" : say("bound"), ...values }), url: left.url, box };
  };

  const mapOf = async (name, known) => {
    if (!unpacked.has(name)) unpacked.set(name, await unpack(known, data.decades));
    return unpacked.get(name);
  };
  const boxed = ([x, y, width, height]) => ({ x, y, width, height: flat ? data.height : height });
  let turn = 0;
  const drawMap = async (layer, found, kind) => {
    const mine = ++turn;
    show("ex-map", false);
    if (!found || (kind !== "effective" && kind !== "difference")) return;
    const shares = await mapOf(layer.name, found.known);
    if (mine !== turn) return;
    const of = (place) => ({ ...found.known.units[place], shares: shares[place] });
    if (kind === "effective") {
      const url = effectivePicture(shares[found.place], found.own.shape, colours);
      set($("ex-map"), { href: url, ...boxed(found.own.box) });
    } else {
      const [here, centre] = [found.own.unit, found.known.units[0].unit].map((unit) => centreOf(layer, unit));
      const moved = layer.movable ? [here[0] - centre[0], here[1] - centre[1]] : [0, 0];
      const size = { height: flat ? 1 : data.height, width: data.width };
      const { url, box } = differencePicture(of(found.place), of(0), flat ? [moved[0], 0] : moved, size, parting);
      set($("ex-map"), { href: url, ...boxed(box) });
    }
    show("ex-map", true);
  };

  const fact = ([name, value]) => {
    const [box, term, text] = ["div", "dt", "dd"].map((tag) => document.createElement(tag));
    [term.textContent, text.textContent] = [name, value];
    box.append(term, text);
    return box;
  };
  const spanned = (f) => (f.whole ? say("whole") : say("span", { low: f.low, high: f.high, size: f.high - f.low + 1 }));
  const facts = (layer, all, found, left, fits) => {
    const [down, across] = plane(all);
    const reached = all.reduce((product, f) => product * inside(f), 1);
    const cut = all.some((f, i) => f.low < 0 || f.high >= sides[i]);
    const bound = layer.status !== "exact" || (!layer.exact && cut) ? say("bound") : "";
    const share = ((100 * reached) / sides.reduce((a, b) => a * b, 1)).toFixed(1);
    const measured = !found ? say("not_measured") : found.exact ? found.own.words : say("nearest", { words: found.own.words, unit: found.own.unit.join(", ") });
    return [
      [say("unit"), layer.movable ? at.unit.join(", ") : say("unit_only", { unit: layer.unit.join(", ") })],
      ...(flat ? [[say("window"), spanned(all[0])]] : [[say("rows"), spanned(down)], [say("columns"), spanned(across)]]),
      [say("reached"), say("reached_value", { bound, pixels: reached.toLocaleString("en"), share })],
      ...(pruned ? [[say("left_by_pruning"), left.words]] : []),
      ...fits,
      ...(maps.size ? [[say("effective"), measured]] : []),
      [say("status"), layer.status],
    ];
  };

  const frame = (down, across) => {
    const margin = 0.07 * Math.max(data.width, data.height);
    const left = Math.min(0, Math.max(across.low, -0.5 * data.width)) - margin;
    const top = Math.min(0, Math.max(down.low, -0.5 * data.height)) - margin;
    const right = Math.max(data.width, Math.min(across.high + 1, 1.5 * data.width)) + margin;
    const bottom = Math.max(data.height, Math.min(down.high + 1, 1.5 * data.height)) + margin;
    set($("ex-stage"), { viewBox: [left, top, right - left, bottom - top].join(" ") });
    return Math.max(right - left, bottom - top);
  };
  const rectangle = ([down, across]) => ({ x: across.low, y: down.low, width: across.high - across.low + 1, height: down.high - down.low + 1 });
  const reach = ([down, across]) => down.runs.flatMap(([a, b]) => across.runs.map(([p, q]) => `M${p} ${a}H${q + 1}V${b + 1}H${p}Z`)).join("");

  // Where units were measured: a dot each, the one that is shown with its own window where it is another than chosen.
  const drawMeasured = (layer, found, kind, wide) => {
    const shown = found !== null && (kind === "effective" || kind === "difference");
    const radius = 0.007 * wide;
    const dots = shown && layer.movable ? found.known.units : [];
    $("ex-dots").replaceChildren(...(dots.length > 1 ? dots : []).map(({ unit }) => {
      const [cx, cy] = centreOf(layer, unit);
      return draw("circle", { cx, cy, r: radius });
    }));
    const snapped = shown && !found.exact;
    if (snapped) set($("ex-snapped"), rectangle(plane(spansOf(layer, found.own.unit, sides))));
    show("ex-snapped", snapped);
    $("ex-key-snapped").hidden = !snapped;
    $("ex-key-dots").hidden = dots.length < 2;
    const ellipse = shown && kind === "effective" ? found.own.ellipse : null;
    if (ellipse) {
      const { cx, cy, rx, ry, angle } = ellipse;
      set($("ex-ellipse"), { cx, cy, rx, ry, transform: `rotate(${[-angle, cx, cy].join(" ")})` });
    }
    show("ex-ellipse", Boolean(ellipse));
    $("ex-key-ellipse").hidden = !ellipse;
  };

  const redraw = () => {
    const layer = layerHere();
    const all = spansOf(layer, at.unit, sides);
    const [down, across] = plane(all);
    const found = measuredHere(layer);
    const left = leftHere(layer, all);
    const wanted = overlay.value;
    const kind = (wanted === "left" && left.url) || (wanted !== "left" && found && wanted !== "reach") ? wanted : "reach";
    const wide = frame(down, across);
    set($("ex-window"), rectangle([down, across]));
    set($("ex-reached"), { d: reach([down, across]) });
    const [x, y] = [middle(across), middle(down)];
    const arm = 0.015 * wide;
    set($("ex-centre"), { d: `M${x - arm} ${y}h${2 * arm}M${x} ${y - arm}v${2 * arm}` });
    show("ex-reached", kind === "reach" || kind === "left");
    if (kind === "left") set($("ex-surviving"), { href: left.url, ...left.box });
    show("ex-surviving", kind === "left");
    for (const [id, kinds] of [["ex-key-left", ["left"]], ["ex-key-reached", ["left", "reach"]], ["ex-bar", ["effective"]], ["ex-parting", ["difference"]]]) $(id).hidden = !kinds.includes(kind);
    drawMeasured(layer, found, kind, wide);
    drawMap(layer, found, kind);
    $("ex-facts").replaceChildren(...facts(layer, all, found, left, drawObjects(data, flat, [x, y], down, across)).map(fact));
  };

  const sliders = () => {
    for (const [input, i] of [[columnInput, last], [rowInput, last - 1]]) {
      if (i < 0) continue;
      const { n } = layerHere().axes[i];
      [input.max, input.value] = [n - 1, at.unit[i]];
      input.disabled = !layerHere().movable || n < 2;
    }
  };
  const put = (index, unit) => {
    const layer = data.layers[index];
    at.layer = index;
    const given = (i) => (unit && Number.isInteger(unit[i]) ? unit[i] : layer.unit[i]);
    at.unit = layer.movable ? layer.axes.map((axis, i) => Math.max(0, Math.min(axis.n - 1, given(i)))) : [...layer.unit];
    select.value = String(index);
    sliders();
    redraw();
  };
  const chosen = ({ layer, unit }) => {
    const index = data.layers.findIndex(({ name }) => name === layer);
    if (index >= 0) put(index, unit);
  };
  const tell = () => choose({ layer: layerHere().name, unit: [...at.unit] }, chosen);

  const options = new DocumentFragment();
  data.layers.forEach((layer, i) => {
    const option = document.createElement("option");
    option.value = String(i);
    option.textContent = brief(layer.name || say("model"), 60) + "  ·  " + layer.op;
    options.append(option);
  });
  select.append(options);
  for (const [value, shown] of [["effective", maps.size], ["difference", maps.size], ["left", pruned], ["reach", true]]) {
    const option = overlay.querySelector(`[value=${value}]`);
    if (!shown) option.remove();
  }
  overlay.selectedIndex = 0;
  overlay.addEventListener("change", redraw);
  if (data.objects.length) [$("ex-object-width").value, $("ex-object-height").value] = data.objects[0];
  for (const id of ["ex-object-width", "ex-object-height"]) $(id).addEventListener("input", redraw);
  if (flat) for (const id of ["ex-row", "ex-row-label"]) $(id).hidden = true;
  select.addEventListener("change", () => { put(+select.value); tell(); });
  for (const [input, back] of [[rowInput, 1], [columnInput, 0]]) {
    input.addEventListener("input", () => { at.unit[last - back] = +input.value; redraw(); tell(); });
  }
  const stage = $("ex-stage");
  const point = (event) => {
    const layer = layerHere();
    if (!layer.movable) return;
    const where = new DOMPoint(event.clientX, event.clientY).matrixTransform(stage.getScreenCTM().inverse());
    (flat ? [where.x] : [where.y, where.x]).forEach((value, k) => {
      const i = flat ? 0 : last - 1 + k;
      if (!layer.axes[i].global) at.unit[i] = nearestIndex(layer.axes[i], value, sides[i]);
    });
    sliders();
    redraw();
    tell();
  };
  stage.addEventListener("pointerdown", (event) => { stage.setPointerCapture(event.pointerId); point(event); });
  stage.addEventListener("pointermove", (event) => { if (event.buttons) point(event); });
  if ($("picture") && !$("ex-picture").hasAttribute("href")) $("ex-picture").setAttribute("href", $("picture").getAttribute("href"));
  await rest();
  put(at.layer);
  follow(chosen);
});
