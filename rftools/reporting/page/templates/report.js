"use strict";
(() => {
  // The page is set up in short tasks, so that it answers in between; data-ready on the root says when it is done.
  const rest = () => new Promise((done) => setTimeout(done));
  const setUp = async () => {
    await rest();
    const $ = (id) => document.getElementById(id);
    // Layers may be named like what every object has: constructor, toString, __proto__.
    const held = (object, name) => (Object.hasOwn(object, name) ? object[name] : undefined);
    // The page's words come with it, in one place; {name} stands for what is filled in.
    const words = JSON.parse($("words").textContent);
    const say = (key, values = {}) => words[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);

    // Theme: system, light, dark.
    const themes = ["system", "light", "dark"];
    const button = $("theme");
    const label = (theme) => { button.textContent = say("theme", { theme: say("theme_" + theme) }); };
    button.hidden = false;
    label("system");
    button.addEventListener("click", () => {
      const now = document.documentElement.dataset.theme || "system";
      const next = themes[(themes.indexOf(now) + 1) % themes.length];
      if (next === "system") delete document.documentElement.dataset.theme;
      else document.documentElement.dataset.theme = next;
      label(next);
    });

    // What scrolls can be reached by the keyboard.
    // What is out of sight is measured when it comes into view, so that opening the page stays quick.
    const frames = [...document.querySelectorAll(".frame, .long-name")];
    const measure = (frame) => {
      if (frame.scrollWidth > frame.clientWidth + 1 || frame.scrollHeight > frame.clientHeight + 1) frame.tabIndex = 0;
      else frame.removeAttribute("tabindex");
    };
    const visible = new Set();
    const watcher = new IntersectionObserver((changes) => {
      for (const { target, isIntersecting } of changes) {
        if (isIntersecting) visible.add(target);
        else visible.delete(target);
        if (isIntersecting) measure(target);
      }
    });
    frames.forEach((frame) => watcher.observe(frame));
    const reachable = () => visible.forEach(measure);
    window.addEventListener("resize", reachable);

    await rest();

    // Tables: sort by a click on a heading, filter, copy as CSV.
    const body = (table) => table.tBodies[0];
    const compare = (column, sign) => (a, b) => {
      const [x, y] = [a.cells[column], b.cells[column]];
      const [p, q] = [x.dataset.key, y.dataset.key];
      if (p !== undefined && q !== undefined) return sign * (p - q);
      if (p !== undefined || q !== undefined) return p !== undefined ? -1 : 1;
      return sign * x.textContent.localeCompare(y.textContent, undefined, { numeric: true });
    };
    for (const table of document.querySelectorAll("table")) {
      [...table.tHead.rows[0].cells].forEach((head, column) => {
        const press = document.createElement("button");
        press.type = "button";
        press.textContent = head.textContent;
        head.replaceChildren(press);
        press.addEventListener("click", () => {
          const down = head.getAttribute("aria-sort") === "ascending";
          for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
          head.setAttribute("aria-sort", down ? "descending" : "ascending");
          body(table).append(...[...body(table).rows].sort(compare(column, down ? -1 : 1)));
        });
      });
    }
    for (const tools of document.querySelectorAll(".tools")) tools.hidden = false;
    for (const input of document.querySelectorAll("[data-filter]")) {
      input.addEventListener("input", () => {
        const wanted = input.value.toLowerCase();
        for (const row of body($(input.dataset.filter)).rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
      });
    }
    const quoted = (text) => (/[",\n]/.test(text) ? '"' + text.replaceAll('"', '""') + '"' : text);
    const exact = (cell) => (cell.dataset.key !== undefined && /^[-\d.,e+]+$/.test(cell.textContent) ? String(+cell.dataset.key) : cell.textContent);
    const csv = (table) =>
      [table.tHead.rows[0], ...[...body(table).rows].filter((row) => !row.hidden)]
        .map((row) => [...row.cells].map((cell) => quoted(exact(cell))).join(","))
        .join("\n") + "\n";
    const copy = async (text) => {
      try {
        await navigator.clipboard.writeText(text);
      } catch {
        const area = document.createElement("textarea");
        area.value = text;
        document.body.append(area);
        area.select();
        document.execCommand("copy");
        area.remove();
      }
    };
    for (const press of document.querySelectorAll("[data-copy]")) {
      press.addEventListener("click", async () => {
        await copy(csv($(press.dataset.copy)));
        press.parentElement.querySelector("[role=status]").textContent = say("copied");
      });
    }

    // Plots are drawn as they come into view, and the others one by one when the browser has nothing else to do.
    const later = window.requestIdleCallback || ((work) => setTimeout(work, 50));
    const waiting = [...document.querySelectorAll(".figures figure")];
    const drawNext = () => {
      const figure = waiting.shift();
      if (!figure) return;
      figure.classList.add("ready");
      later(drawNext);
    };
    later(drawNext);

    await rest();

    // A run's epochs: one frame at a time.
    const epoch = $("epoch");
    if (epoch) {
      const all = [...document.querySelectorAll(".epoch")];
      const turn = () => {
        all.forEach((frame, i) => { frame.hidden = i !== +epoch.value; });
        const shown = all[+epoch.value].dataset.epoch;
        $("epoch-shown").textContent = shown;
        epoch.setAttribute("aria-valuetext", say("epoch", { epoch: shown }));
      };
      epoch.addEventListener("input", turn);
      turn();
    }

    // The graph: another level, and arrow keys from box to box in order.
    const level = $("graph-level");
    const links = (box) => [...box.querySelectorAll("a")];
    if (level) {
      for (const box of document.querySelectorAll(".graph-level")) {
        const first = links(box)[0];
        if (first) first.setAttribute("tabindex", "0");
      }
      level.addEventListener("change", () => {
        for (const box of document.querySelectorAll(".graph-level")) box.hidden = box.id !== level.value;
        reachable();
      });
      document.querySelector(".graph").addEventListener("keydown", (event) => {
        const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
        const here = event.target.closest("a");
        if (!step || !here) return;
        const all = links(here.closest(".graph-level"));
        const next = all[all.indexOf(here) + step];
        if (!next) return;
        event.preventDefault();
        here.setAttribute("tabindex", "-1");
        next.setAttribute("tabindex", "0");
        next.focus();
      });
    }
    const mark = (name) => {
      for (const link of document.querySelectorAll(".graph a")) {
        if (link.dataset.layer === name) link.setAttribute("aria-current", "true");
        else link.removeAttribute("aria-current");
      }
    };

    await rest();

    // Overview: the slider or the chart choose a layer; its window and contours lie on the picture.
    const overview = { show: () => {}, chosen: () => {} };
    const beginning = $("opening-data");
    if (beginning) {
      const opened = JSON.parse(beginning.textContent);
      const slider = $("op-depth");
      const chart = $("op-chart");
      const across = (place) => opened.left + (opened.layers.length < 2 ? opened.span / 2 : (opened.span * place) / (opened.layers.length - 1));
      const all = (selector) => document.querySelectorAll("#op-stage " + selector);
      const put = (place) => {
        const layer = opened.layers[place];
        slider.value = String(place);
        slider.setAttribute("aria-valuetext", layer.label);
        $("op-name").firstElementChild.textContent = layer.label;
        $("op-words").firstElementChild.textContent = layer.words;
        all("path").forEach((path, i) => path.setAttribute("d", i < 2 ? layer.outer : layer.inner));
        for (const rect of all("rect")) for (const [name, value] of Object.entries(layer.window)) rect.setAttribute(name, value);
        for (const end of ["x1", "x2"]) $("op-cursor").setAttribute(end, across(place));
        for (const dot of chart.querySelectorAll("circle")) dot.classList.toggle("now", +dot.dataset.place === place);
      };
      overview.show = (name) => {
        const place = opened.layers.findIndex((layer) => layer.name === name);
        if (place >= 0) put(place);
      };
      const pick = (place) => {
        put(place);
        mark(opened.layers[place].name);
        history.replaceState(null, "", "#layer=" + encodeURIComponent(opened.layers[place].name));
        overview.chosen(opened.layers[place].name);
      };
      slider.addEventListener("input", () => pick(+slider.value));
      const at = (event) => {
        const x = new DOMPoint(event.clientX, event.clientY).matrixTransform(chart.getScreenCTM().inverse()).x;
        const share = (x - opened.left) / opened.span;
        pick(Math.max(0, Math.min(opened.layers.length - 1, Math.round(share * (opened.layers.length - 1)))));
      };
      chart.addEventListener("pointerdown", (event) => { chart.setPointerCapture(event.pointerId); at(event); });
      chart.addEventListener("pointermove", (event) => { if (event.buttons) at(event); });
      put(opened.start);
      overview.show(new URLSearchParams(location.hash.slice(1)).get("layer"));
      if ($("ex-picture") && !$("ex-picture").hasAttribute("href")) $("ex-picture").setAttribute("href", $("picture").getAttribute("href"));
    }

    await rest();

    // Models beside each other: one slider for all maps, differences and roses.
    const pair = $("beside-data");
    if (pair) {
      const { layers } = JSON.parse(pair.textContent);
      const slider = $("bs-depth");
      const figures = [...document.querySelectorAll(".beside .model")];
      const attributes = (element, values) => { for (const [name, value] of Object.entries(values)) element.setAttribute(name, value); };
      const shown = (figure, kind, words) => {
        const drawing = figure.querySelector(kind);
        if (!drawing) return null;
        drawing.toggleAttribute("hidden", words === undefined);
        drawing.nextElementSibling.textContent = words === undefined ? "" : words;
        return words === undefined ? null : drawing;
      };
      const put = (place) => {
        const layer = layers[place];
        slider.value = String(place);
        slider.setAttribute("aria-valuetext", layer.label);
        $("bs-name").querySelector("bdi").textContent = layer.label;
        figures.forEach((figure, i) => {
          const difference = figure.classList.contains("difference");
          const map = difference ? layer.difference : layer.maps[i];
          const stage = shown(figure, ".stage-map", map && map.words);
          if (stage) {
            const { width, height } = layer.maps[0];
            attributes(stage.querySelector("image"), { href: map.url, width, height });
            stage.querySelectorAll("path").forEach((path, k) => path.setAttribute("d", (k < 2 ? map.outer : map.inner) || ""));
            for (const rect of stage.querySelectorAll("rect")) attributes(rect, map.window || { width: 0, height: 0 });
          }
          const own = layer.roses[i];
          const rose = shown(figure, ".half-rose", own && own.words);
          if (rose) {
            rose.querySelector(".sectors").setAttribute("d", own.d);
            rose.querySelector(".even").setAttribute("r", own.even);
          }
        });
      };
      slider.addEventListener("input", () => {
        put(+slider.value);
        history.replaceState(null, "", "#layer=" + encodeURIComponent(layers[+slider.value].name));
      });
      const asked = new URLSearchParams(location.hash.slice(1)).get("layer");
      const place = layers.findIndex((layer) => layer.name === asked);
      if (place >= 0) put(place);
    }

    await rest();

    // Explorer: any unit's theoretical window from the layers' footprints.
    const source = $("explorer-data");
    if (!source) return;
    const data = JSON.parse(source.textContent);
    await rest();
    const [rowInput, columnInput, select] = [$("ex-row"), $("ex-column"), $("ex-layer")];
    const flat = data.sides.length === 1;
    const state = { layer: data.start, unit: [] };
    $("no-script").hidden = true;
    $("explorer-tool").hidden = false;

    // One axis of one unit: [first, last] before and after the border, and the runs of pixels that reach it.
    const field = (axis, index, side, movable) => {
      const special = axis.special[index];
      if (axis.global) return { low: 0, high: side - 1, runs: special || (movable ? [[0, side - 1]] : axis.runs), whole: true };
      if (!movable) return { low: axis.window[0], high: axis.window[1], runs: axis.runs, whole: false };
      const count = axis.phases.length;
      const phase = axis.phases[index % count];
      const low = phase.start + Math.floor(index / count) * axis.jump;
      const high = low + phase.size - 1;
      const runs = [];
      let from = low;
      for (const [offset, length] of [...phase.holes, [phase.size, 0]]) {
        const [a, b] = [Math.max(from, 0), Math.min(low + offset - 1, side - 1)];
        if (a <= b) runs.push([a, b]);
        from = low + offset + length;
      }
      return { low, high, runs: special || runs, whole: false };
    };
    const fields = () => {
      const layer = data.layers[state.layer];
      return layer.axes.map((axis, i) => field(axis, state.unit[i], data.sides[i], layer.movable));
    };
    const plane = (all) => (flat ? [{ low: 0, high: data.height - 1, runs: [[0, data.height - 1]] }, all[0]] : all.slice(-2));

    const set = (id, values) => {
      for (const [name, value] of Object.entries(values)) $(id).setAttribute(name, value);
    };
    const fact = (name, value) => {
      const box = document.createElement("div");
      const [term, text] = [document.createElement("dt"), document.createElement("dd")];
      term.textContent = name;
      text.textContent = value;
      box.append(term, text);
      return box;
    };
    const span = (f) => (f.whole ? say("whole") : say("span", { low: f.low, high: f.high, size: f.high - f.low + 1 }));
    const inside = (f) => f.runs.reduce((sum, [a, b]) => sum + b - a + 1, 0);

    // What pruning left: known at one unit; moved with the unit where the field's law lets it.
    const pruned = Object.keys(data.surviving).length > 0;
    const drawSurviving = (layer, all) => {
      const left = held(data.surviving, layer.name);
      const own = left !== undefined && left.unit.join() === state.unit.join();
      const known = own || (left !== undefined && left.movable && layer.movable);
      const shown = known && left.url !== null && $("ex-left").checked && $("ex-map").getAttribute("visibility") === "hidden";
      if (shown) {
        const moved = layer.axes.map((axis, i) => (own ? 0 : (state.unit[i] - left.unit[i]) * axis.jump));
        const [y, x] = flat ? [0, moved[0]] : moved.slice(-2);
        set("ex-surviving", { href: left.url, x: left.x + x, y: left.y + y, width: left.width, height: flat ? data.height : left.height });
      }
      set("ex-surviving", { visibility: shown ? "visible" : "hidden" });
      $("ex-key-left").hidden = !shown;
      if (!pruned) return null;
      if (left === undefined) return say("not_left");
      if (!known) return say("left_at", { unit: left.unit.join(", ") });
      const cut = all.some((f, i) => f.low < 0 || f.high >= data.sides[i]);
      const bound = own || !cut ? "" : say("bound");
      const share = (100 * left.share).toFixed(1);
      return say("left", { bound, pixels: left.pixels.toLocaleString("en"), share, unit: left.unit.join(", ") });
    };

    // Objects to scale, around the unit's centre: those the report was asked about, and one of any size.
    const objects = () => {
      const typed = [$("ex-object-width"), $("ex-object-height")].map((input) => Math.floor(+input.value));
      return typed.every((side) => side > 0) ? [typed, ...data.objects.slice(1)] : data.objects.slice(1);
    };
    const drawObjects = (x, y, down, across) => {
      const group = $("ex-objects");
      group.replaceChildren();
      for (const [width, height] of objects()) {
        const place = { x: x - width / 2, y: flat ? 0 : y - height / 2, width, height: flat ? data.height : height };
        for (let i = 0; i < 2; i++) {
          const box = document.createElementNS(group.namespaceURI, "rect");
          for (const [name, value] of Object.entries({ class: "object", ...place })) box.setAttribute(name, value);
          group.append(box);
        }
      }
      $("ex-key-object").hidden = objects().length === 0;
      const holds = (f, side) => f.whole || f.high - f.low + 1 >= side;
      return objects().map(([width, height]) => [
        say("object", { size: width + (flat ? "" : "x" + height) }),
        holds(across, width) && (flat || holds(down, height)) ? say("fits") : say("does_not_fit"),
      ]);
    };

    const draw = () => {
      const layer = data.layers[state.layer];
      const all = fields();
      const [down, across] = plane(all);
      const margin = 0.04 * Math.max(data.width, data.height);
      const left = Math.min(0, Math.max(across.low, -0.5 * data.width)) - margin;
      const top = Math.min(0, Math.max(down.low, -0.5 * data.height)) - margin;
      const right = Math.max(data.width, Math.min(across.high + 1, 1.5 * data.width)) + margin;
      const bottom = Math.max(data.height, Math.min(down.high + 1, 1.5 * data.height)) + margin;
      set("ex-stage", { viewBox: [left, top, right - left, bottom - top].join(" ") });
      set("ex-window", { x: across.low, y: down.low, width: across.high - across.low + 1, height: down.high - down.low + 1 });
      let d = "";
      for (const [a, b] of down.runs) for (const [p, q] of across.runs) d += "M" + p + " " + a + "H" + (q + 1) + "V" + (b + 1) + "H" + p + "Z";
      set("ex-reached", { d });
      const [x, y] = [(across.low + across.high + 1) / 2, (down.low + down.high + 1) / 2];
      const arm = 0.02 * Math.max(data.width, data.height);
      set("ex-centre", { d: "M" + (x - arm) + " " + y + "h" + 2 * arm + "M" + x + " " + (y - arm) + "v" + 2 * arm });
      const map = held(data.maps, layer.name);
      const measured = map !== undefined && map.unit.join() === state.unit.join();
      const shown = measured && $("ex-show").checked;
      if (shown) set("ex-map", { href: map.url, ...map.extent });
      set("ex-map", { visibility: shown ? "visible" : "hidden" });
      const ellipse = shown ? map.ellipse : null;
      if (ellipse) {
        const { cx, cy, rx, ry, angle } = ellipse;
        set("ex-ellipse", { cx, cy, rx, ry, transform: "rotate(" + [-angle, cx, cy].join(" ") + ")" });
      }
      set("ex-ellipse", { visibility: ellipse ? "visible" : "hidden" });
      $("ex-key-ellipse").hidden = !ellipse;
      set("ex-reached", { visibility: shown ? "hidden" : "visible" });
      const remains = drawSurviving(layer, all);
      const fits = drawObjects(x, y, down, across);
      const effective = map === undefined ? say("not_measured") : measured ? map.size : say("measured_at", { unit: map.unit.join(", ") });
      const reached = all.reduce((product, f) => product * inside(f), 1);
      const cut = all.some((f, i) => f.low < 0 || f.high >= data.sides[i]);
      const bound = layer.status !== "exact" || (!layer.exact && cut) ? say("bound") : "";
      const pixels = data.sides.reduce((a, b) => a * b, 1);
      $("ex-facts").replaceChildren(
        fact(say("unit"), layer.movable ? state.unit.join(", ") : say("unit_only", { unit: layer.unit.join(", ") })),
        ...(flat ? [fact(say("window"), span(all[0]))] : [fact(say("rows"), span(down)), fact(say("columns"), span(across))]),
        fact(say("reached"), say("reached_value", { bound, pixels: reached.toLocaleString("en"), share: ((100 * reached) / pixels).toFixed(1) })),
        ...(remains === null ? [] : [fact(say("left_by_pruning"), remains)]),
        ...fits.map(([name, value]) => fact(name, value)),
        ...(Object.keys(data.maps).length ? [fact(say("effective"), effective)] : []),
        fact(say("status"), layer.status),
      );
    };

    const last = () => data.sides.length - 1;
    const sliders = () => {
      const layer = data.layers[state.layer];
      for (const [input, i] of [[columnInput, last()], [rowInput, last() - 1]]) {
        if (i < 0) continue;
        input.max = layer.axes[i].n - 1;
        input.value = state.unit[i];
        input.disabled = !layer.movable || layer.axes[i].n < 2;
      }
    };
    const remember = () => {
      const name = data.layers[state.layer].name;
      history.replaceState(null, "", "#layer=" + encodeURIComponent(name) + "&unit=" + state.unit.join(","));
    };
    const choose = (index, unit, alone) => {
      const layer = data.layers[index];
      state.layer = index;
      state.unit = layer.axes.map((axis, i) => Math.max(0, Math.min(axis.n - 1, unit && Number.isInteger(unit[i]) ? unit[i] : layer.unit[i])));
      if (!layer.movable) state.unit = [...layer.unit];
      select.value = String(index);
      mark(layer.name);
      if (!alone) overview.show(layer.name);
      sliders();
      draw();
    };

    const options = new DocumentFragment();
    data.layers.forEach((layer, i) => {
      const option = document.createElement("option");
      option.value = String(i);
      const name = layer.name || say("model");
      option.textContent = (name.length > 60 ? name.slice(0, 40) + "…" + name.slice(-15) : name) + "  ·  " + layer.op;
      options.append(option);
    });
    select.append(options);
    $("ex-left").parentElement.hidden = !pruned;
    if (pruned) $("ex-show").checked = false; // one overlay at a time: first what the net has become
    $("ex-left").addEventListener("change", () => draw());
    if (data.objects.length) [$("ex-object-width").value, $("ex-object-height").value] = data.objects[0];
    for (const id of ["ex-object-width", "ex-object-height"]) $(id).addEventListener("input", () => draw());
    $("ex-show").parentElement.hidden = Object.keys(data.maps).length === 0;
    $("ex-show").addEventListener("change", () => draw());
    if (flat) {
      rowInput.hidden = true;
      $("ex-row-label").hidden = true;
    }
    select.addEventListener("change", () => { choose(+select.value); remember(); });
    for (const [input, back] of [[rowInput, 1], [columnInput, 0]]) {
      input.addEventListener("input", () => { state.unit[last() - back] = +input.value; draw(); remember(); });
    }

    // The unit whose centre lies nearest to a point of the picture.
    const nearest = (axis, at, side) => {
      let best = 0;
      let least = Infinity;
      for (let o = 0; o < axis.n; o++) {
        const f = field(axis, o, side, true);
        const off = Math.abs((f.low + f.high + 1) / 2 - at);
        if (off < least) [best, least] = [o, off];
      }
      return best;
    };
    const stage = $("ex-stage");
    const point = (event) => {
      const layer = data.layers[state.layer];
      if (!layer.movable) return;
      const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(stage.getScreenCTM().inverse());
      const where = flat ? [at.x] : [at.y, at.x];
      where.forEach((value, k) => {
        const i = data.sides.length - where.length + k;
        if (!layer.axes[i].global) state.unit[i] = nearest(layer.axes[i], value, data.sides[i]);
      });
      sliders();
      draw();
      remember();
    };
    stage.addEventListener("pointerdown", (event) => { stage.setPointerCapture(event.pointerId); point(event); });
    stage.addEventListener("pointermove", (event) => { if (event.buttons) point(event); });

    const restore = () => {
      const asked = new URLSearchParams(location.hash.slice(1));
      const index = asked.has("layer") ? data.layers.findIndex((layer) => layer.name === asked.get("layer")) : -1;
      if (index < 0) return false;
      choose(index, asked.has("unit") ? asked.get("unit").split(",").map(Number) : undefined);
      return true;
    };
    const follow = () => {
      const found = restore();
      if (found) $("explorer").scrollIntoView();
      return found;
    };
    await rest();
    if (!follow()) choose(state.layer, undefined, true);
    overview.chosen = (name) => {
      const index = data.layers.findIndex((layer) => layer.name === name);
      if (index < 0) return;
      choose(index, undefined, true);
      remember();
    };
    window.addEventListener("hashchange", follow);
  };
  setUp().finally(() => { document.documentElement.dataset.ready = ""; });
})();
