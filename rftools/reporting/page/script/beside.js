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
        stage.querySelectorAll("path").forEach((path, k) => path.setAttribute("d", (k < 2 ? map.outer : map.inner) || ""));
        for (const rect of stage.querySelectorAll("rect")) set(rect, map.window || { width: 0, height: 0 });
      }
      const own = layer.roses[i];
      const rose = shown(figure, ".half-rose", own && own.words);
      if (rose) {
        rose.querySelector(".sectors").setAttribute("d", own.d);
        rose.querySelector(".even").setAttribute("r", own.even);
      }
    });
  };
  const show = ({ layer }) => {
    const place = names.indexOf(layer);
    if (place >= 0) put(place);
  };
  slider.addEventListener("input", () => {
    put(+slider.value);
    choose({ layer: names[+slider.value] }, show);
  });
  follow(show);
});
