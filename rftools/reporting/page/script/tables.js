// Tables: sort by a click on a heading, filter, copy as CSV; the chosen layer's rows are marked.
const body = (table) => table.tBodies[0];
const compare = (column, sign) => (a, b) => {
  const [x, y] = [a.cells[column], b.cells[column]];
  const [p, q] = [x.dataset.key, y.dataset.key];
  if (p !== undefined && q !== undefined) return sign * (p - q);
  if (p !== undefined || q !== undefined) return p !== undefined ? -1 : 1;
  return sign * x.textContent.localeCompare(y.textContent, undefined, { numeric: true });
};
const sortable = (table) => {
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
};
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

view(() => {
  document.querySelectorAll("table").forEach(sortable);
  for (const tools of document.querySelectorAll(".tools")) tools.hidden = false;
  for (const input of document.querySelectorAll("[data-filter]")) {
    input.addEventListener("input", () => {
      const wanted = input.value.toLowerCase();
      for (const row of body($(input.dataset.filter)).rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
    });
  }
  for (const all of document.querySelectorAll("[data-all]")) {
    all.addEventListener("change", () => $(all.dataset.all).classList.toggle("all", all.checked));
  }
  for (const press of document.querySelectorAll("[data-copy]")) {
    press.addEventListener("click", async () => {
      await copy(csv($(press.dataset.copy)));
      press.parentElement.querySelector("[role=status]").textContent = say("copied");
    });
  }
  const rows = new Map();
  for (const row of document.querySelectorAll("tbody tr")) {
    const name = row.cells[0].textContent;
    if (!rows.has(name)) rows.set(name, []);
    rows.get(name).push(row);
  }
  let marked = [];
  follow(({ layer }) => {
    for (const row of marked) row.classList.remove("chosen");
    marked = rows.get(layer) || [];
    for (const row of marked) row.classList.add("chosen");
  });
});
