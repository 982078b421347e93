// What all views share: words, elements, and the one choice of layer and unit that they follow.
const $ = (id) => document.getElementById(id);
const read = (id) => ($(id) ? JSON.parse($(id).textContent) : null);
const set = (element, values) => {
  for (const [name, value] of Object.entries(values)) element.setAttribute(name, value);
};
// An entry by name, whatever the name: "constructor" and "__proto__" are names like others.
const byName = (object) => new Map(Object.entries(object || {}));

// The page's words come with it, in one place; {name} stands for what is filled in.
const words = byName(read("words"));
const say = (key, values = {}) => words.get(key).replace(/\{(\w+)\}/g, (_, name) => values[name]);
const brief = (name, most) => (name.length > most ? name.slice(0, most - 1 - Math.floor((most - 1) / 2)) + "…" + name.slice(-Math.floor((most - 1) / 2)) : name);

const SVG = "http://www.w3.org/2000/svg";
const draw = (tag, values = {}, text = null) => {
  const element = document.createElementNS(SVG, tag);
  set(element, values);
  if (text !== null) element.textContent = text;
  return element;
};

// Views are set up one after the other in short tasks, so that the page answers in between.
const views = [];
const view = (setUp) => views.push(setUp);
const rest = () => new Promise((done) => setTimeout(done));

// A frame in a notebook has no address of its own: nothing is kept there, and links to parts of the page are followed by hand.
const inNotebook = location.protocol === "about:";

// The choice: a layer, a unit of it, what the map is coloured by. The address keeps it.
const state = { layer: null, unit: null, by: null };
const followers = [];
const follow = (view) => followers.push(view);
const remember = () => {
  const kept = new URLSearchParams();
  if (state.layer !== null) kept.set("layer", state.layer);
  if (state.unit !== null) kept.set("unit", state.unit.join(","));
  if (state.by !== null) kept.set("by", state.by);
  if (!inNotebook) history.replaceState(null, "", "#" + String(kept).replaceAll("%2C", ","));
};
const choose = (change, origin = null) => {
  const other = change.layer !== undefined && change.layer !== state.layer;
  Object.assign(state, other ? { unit: null } : {}, change);
  remember();
  for (const each of followers) if (each !== origin) each(state);
};
const asked = (address) => {
  const found = new URLSearchParams(address.slice(1));
  if (!found.has("layer") && !found.has("by")) return null;
  const unit = found.has("unit") ? found.get("unit").split(",").map(Number) : null;
  return { layer: found.get("layer"), unit, by: found.get("by") };
};

// The layers in the order in which the net runs them: a view without the chosen one shows the last before it.
const order = new Map();
const before = (name, known) => {
  if (known.includes(name) || !order.has(name)) return known.indexOf(name);
  return known.reduce((best, each, i) => (order.has(each) && order.get(each) <= order.get(name) ? i : best), -1);
};
