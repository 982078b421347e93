// Models beside each other: one slider for all maps, differences and roses.
view(() => {
  const pair = read("beside-data");
  if (!pair) return;
  const { layers } = pair;
  const names = layers.map((layer) => layer.name);
  const slider = $("bs-depth");
  const figures = [...document.querySelectorAll(".beside .model")];
  const shown = (figure, kind, text) => {
    const drawing = figure.querySelector(kind);
    if (!drawing) return null;
    drawing.toggleAttribute("hidden", text === undefined);
    drawing.nextElementSibling.textContent = text === undefined ? "" : text;
    return text === undefined ? null : drawing;
  };
  const across = (place) => pair.left + (layers.length < 2 ? pair.span / 2 : (pair.span * place) / (layers.length - 1));
  const put = (place) => {
    const layer = layers[place];
    slider.value = String(place);
    slider.setAttribute("aria-valuetext", layer.label);
    $("bs-name").querySelector("bdi").textContent = layer.label;
    figures.forEach((figure, i) => {
      const map = figure.classList.contains("difference") ? layer.difference : layer.maps[i];
      const stage = shown(figure, ".stage-map", map && map.words);
      if (stage) {
        const { width, height } = layer.maps[0];
        set(stage.querySelector("image"), { href: map.url, width, height });
        stage.querySelectorAll("path:not(.cross)").forEach((path, k) => path.setAttribute("d", (k < 2 ? map.outer : map.inner) || ""));
        for (const rect of stage.querySelectorAll("rect")) set(rect, map.window || { width: 0, height: 0 });
      }
      for (const top of figure.querySelectorAll(".bs-top")) top.textContent = map ? map.top : "";
      for (const cells of figure.querySelectorAll(".cells")) cells.hidden = +cells.dataset.place !== place;
      for (const line of figure.querySelectorAll(".depth-chart .cursor")) set(line, { x1: across(place), x2: across(place) });
      for (const dot of figure.querySelectorAll(".depth-chart circle")) dot.classList.toggle("now", +dot.dataset.place === place);
    });
  };
  // One cursor for all maps: a place that is pointed at in one is marked in every other.
  const stages = [...document.querySelectorAll(".beside .stage-map")];
  const point = (event) => {
    const stage = event.currentTarget;
    const { x, y } = new DOMPoint(event.clientX, event.clientY).matrixTransform(stage.getScreenCTM().inverse());
    const arm = 0.03 * stage.viewBox.baseVal.width;
    const d = event.type === "pointerleave" ? "" : `M${x - arm} ${y}h${2 * arm}M${x} ${y - arm}v${2 * arm}`;
    for (const each of stages) each.querySelector(".cross").setAttribute("d", d);
  };
  for (const stage of stages) for (const kind of ["pointermove", "pointerdown", "pointerleave"]) stage.addEventListener(kind, point);
  const show = ({ layer }) => {
    const place = names.indexOf(layer);
    if (place >= 0) put(place);
  };
  put(pair.start);
  slider.addEventListener("input", () => {
    put(+slider.value);
    choose({ layer: names[+slider.value] }, show);
  });
  follow(show);
});
