// Copies the libraries that browsers load from node_modules to static/vendor, and writes down what they are.
import { createHash } from "node:crypto";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";

const HERE = new URL(".", import.meta.url);
const TO = new URL("../static/vendor/", HERE);
const FILES = { "tus.min.js": ["tus-js-client", "dist/tus.min.js"], "lean-qr.js": ["lean-qr", "index.mjs"] };
const INSIDE = { "tus.min.js": ["js-base64", "url-parse", "querystringify", "requires-port"], "lean-qr.js": [] }; // bundled by their makers
const lock = JSON.parse(readFileSync(new URL("package-lock.json", HERE)));

const written = {};
for (const [name, [from, path]] of Object.entries(FILES)) {
  const folder = new URL(`node_modules/${from}/`, HERE);
  const bytes = readFileSync(new URL(path, folder)).toString().replace(/\n?\/\/# sourceMappingURL=.*\n?$/, "\n");
  const { version, integrity, license } = lock.packages[`node_modules/${from}`];
  writeFileSync(new URL(name, TO), bytes);
  written[name] = { package: from, path, version, licence: license, integrity, sha256: createHash("sha256").update(bytes).digest("hex") };
}
writeFileSync(new URL("vendored.json", HERE), `${JSON.stringify(written, null, 2)}\n`);

const licence = (name, file) => {
  const { version, license } = lock.packages[`node_modules/${name}`];
  const folder = new URL(`node_modules/${name}/`, HERE);
  const text = readFileSync(new URL(readdirSync(folder).find((each) => /^licen[cs]e/i.test(each)), folder)).toString();
  return `${name} ${version} (${license}), in ${file}\n\n${text.trim()}\n`;
};
const texts = Object.entries(written).flatMap(([file, { package: from }]) => [from, ...INSIDE[file]].map((name) => licence(name, file)));
writeFileSync(new URL("licences.txt", TO), texts.join(`\n${"-".repeat(72)}\n\n`));
