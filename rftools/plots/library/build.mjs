// One file of plotly.js, with the licences of all that is in it: npm ci --ignore-scripts && npm run build
import { build } from "esbuild";
import { existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";

const bundle = await build({
  entryPoints: ["source.js"],
  bundle: true,
  minify: true,
  format: "iife",
  globalName: "Plotly",
  target: "es2018",
  define: { global: "window", "define.amd": "false", "process.env.NODE_DEBUG": "false" },
  alias: { stream: "stream-browserify" },
  loader: { ".css": "empty" }, // of maps, which are never drawn
  legalComments: "none",
  metafile: true,
  write: false,
});
const packageOf = (path) => path.match(/^.*node_modules\/(?:@[^/]+\/)?[^/]+/);
const folders = [...new Set(Object.keys(bundle.metafile.inputs).map(packageOf).filter(Boolean).map(String))].sort();
// Some packages keep their licence in the readme alone.
const licenceIn = (folder) => {
  const file = readdirSync(folder).find((name) => /^licen[cs]e/i.test(name));
  if (file) return readFileSync(`${folder}/${file}`, "utf8");
  const readme = existsSync(`${folder}/README.md`) ? readFileSync(`${folder}/README.md`, "utf8") : "";
  const { license, author } = JSON.parse(readFileSync(`${folder}/package.json`, "utf8"));
  const told = readme.split(/^#+ *licen[cs]e.*$/im)[1] || "";
  return `${license}, by ${(author && author.name) || author || "its contributors"}\n\n${told.trim()}`;
};
const whose = new Map();
for (const folder of folders) {
  const { name, version } = JSON.parse(readFileSync(`${folder}/package.json`, "utf8"));
  const text = licenceIn(folder).replace(/\r/g, "").trim();
  whose.set(text, [...(whose.get(text) || []), `${name} ${version}`]);
}
const licences = [...whose].map(([text, of]) => `${of.join(", ")}\n\n${text}\n`).join("\n\n");
writeFileSync("LICENSES.txt", licences);
const escaped = bundle.outputFiles[0].text.replace(/<\/(script)/gi, "<\\/$1");
writeFileSync("plotly.min.js", `/*\n${licences.replaceAll("*/", "* /")}*/\n${escaped}`);
