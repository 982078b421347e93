// Objects to scale, around the unit's centre: those that the report was asked about, and one of any size.
const objectsOf = (given, flat) => {
  const typed = [$("ex-object-width"), $("ex-object-height")].map((input) => Math.floor(+input.value));
  return typed[0] > 0 && (flat || typed[1] > 0) ? [typed, ...given.slice(1)] : given.slice(1);
};
const drawObjects = (data, flat, [x, y], down, across) => {
  const shown = objectsOf(data.objects, flat);
  $("ex-objects").replaceChildren(
    ...shown.flatMap(([width, height]) => {
      const place = { class: "object", x: x - width / 2, y: flat ? 0 : y - height / 2, width, height: flat ? data.height : height };
      return [draw("rect", place), draw("rect", place)];
    }),
  );
  $("ex-key-object").hidden = shown.length === 0;
  const holds = (own, side) => own.whole || own.high - own.low + 1 >= side;
  return shown.map(([width, height]) => [
    say("object", { size: width + (flat ? "" : "x" + height) }),
    holds(across, width) && (flat || holds(down, height)) ? say("fits") : say("does_not_fit"),
  ]);
};
