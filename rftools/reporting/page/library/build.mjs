// One file of the libraries, with their licences in front: npm ci && npm run build
import { build } from "esbuild";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";

const scoped = readdirSync("node_modules/@dagrejs").map((name) => "@dagrejs/" + name);
const names = [...scoped, ...readdirSync("node_modules").filter((name) => name.startsWith("d3-"))];
const whose = new Map();
for (const name of names) {
  const { version } = JSON.parse(readFileSync(`node_modules/${name}/package.json`, "utf8"));
  const text = readFileSync(`node_modules/${name}/LICENSE`, "utf8").replace(/\r/g, "").trim();
  whose.set(text, [...(whose.get(text) || []), `${name} ${version}`]);
}
const licences = [...whose].map(([text, of]) => `${of.join(", ")}\n\n${text}\n`).join("\n\n");
writeFileSync("LICENSES.txt", licences);
await build({
  entryPoints: ["source.js"],
  bundle: true,
  minify: true,
  format: "iife",
  globalName: "netmapLibrary",
  target: "es2020",
  legalComments: "none",
  banner: { js: `/*\n${licences.replaceAll("*/", "* /")}*/` },
  outfile: "netmap.min.js",
});
