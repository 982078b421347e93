// Overview: the slider or the chart choose a layer; its window and contours lie on the picture.
view(() => {
  const opened = read("opening-data");
  if (!opened) return;
  const slider = $("op-depth");
  const chart = $("op-chart");
  const names = opened.layers.map((layer) => layer.name);
  const last = opened.layers.length - 1;
  const across = (place) => opened.left + (last < 1 ? opened.span / 2 : (opened.span * place) / last);
  const all = (selector) => document.querySelectorAll("#op-stage " + selector);
  const put = (place) => {
    const layer = opened.layers[place];
    slider.value = String(place);
    slider.setAttribute("aria-valuetext", layer.label);
    $("op-name").firstElementChild.textContent = layer.label;
    $("op-words").firstElementChild.textContent = layer.words;
    all("path").forEach((path, i) => path.setAttribute("d", i < 2 ? layer.outer : layer.inner));
    for (const rect of all("rect")) set(rect, layer.window);
    for (const end of ["x1", "x2"]) $("op-cursor").setAttribute(end, across(place));
    for (const dot of chart.querySelectorAll("circle")) dot.classList.toggle("now", +dot.dataset.place === place);
  };
  const show = ({ layer }) => {
    const place = layer === null ? -1 : before(layer, names);
    if (place >= 0) put(place);
  };
  const pick = (place) => {
    put(place);
    choose({ layer: names[place] }, show);
  };
  slider.addEventListener("input", () => pick(+slider.value));
  const at = (event) => {
    const x = new DOMPoint(event.clientX, event.clientY).matrixTransform(chart.getScreenCTM().inverse()).x;
    pick(Math.max(0, Math.min(last, Math.round(((x - opened.left) / opened.span) * last))));
  };
  chart.addEventListener("pointerdown", (event) => { chart.setPointerCapture(event.pointerId); at(event); });
  chart.addEventListener("pointermove", (event) => { if (event.buttons) at(event); });
  put(opened.start);
  follow(show);
});
