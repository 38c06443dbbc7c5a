// Runs the page's worker in Node on Dawn, Chrome's WebGPU, without a browser; see scripts/test-dawn.sh, which compares what is
// left in OUT with native runs. Usage: dawn.mjs WEB_FOLDER OUT CIFAR_FOLDER
// WEB_FOLDER is a copy of target/web with a package.json that calls its files modules.
import { File } from "node:buffer";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { adapterName, gpu } from "./dawn-gpu.mjs";

const [web, out, cifar] = process.argv.slice(2);
mkdirSync(out, { recursive: true });
const fail = (text) => { console.error(`error: ${text}`); process.exit(1); };

// What a worker has in a browser and Node lacks. wgpu looks for a constructor of this name before it takes `navigator.gpu`.
globalThis.WorkerGlobalScope = class WorkerGlobalScope {};
Object.defineProperty(globalThis, "navigator", { value: { gpu }, configurable: true });
// Node fetches no files.
const fetch = globalThis.fetch;
globalThis.fetch = async (what, ...rest) => what instanceof URL && what.protocol === "file:"
  ? new Response(readFileSync(fileURLToPath(what)), { headers: { "content-type": "application/wasm" } })
  : fetch(what, ...rest);
globalThis.onmessage = null;
const waiting = new Set(), heard = [];
globalThis.postMessage = (message) => {
  heard.push(message);
  for (const one of waiting) if (one.kinds.includes(message.kind)) { waiting.delete(one); one.done(message); }
};
// A browser prints these; here they end the test.
for (const name of ["error", "warn"]) {
  const print = console[name];
  console[name] = (...words) => { print(...words); heard.push({ kind: "console", message: words.join(" ") }); };
}
await import(pathToFileURL(resolve(web, "worker.js")));

const hear = (...kinds) => new Promise((done) => waiting.add({ kinds: [...kinds, "failed"], done }));
const tell = (message) => globalThis.onmessage({ data: message });
async function ask(message, ...kinds) {
  const answer = hear(...kinds);
  tell(message);
  const found = await answer;
  if (found.kind === "failed") fail(`\`${message.do}\` failed: ${found.message}`);
  return found;
}

const adapter = await adapterName();
async function run(name, settings, data, pause) {
  heard.length = 0;
  const assignments = Object.entries(settings).map(([key, value]) => `${key}=${value}`);
  const ended = hear("finished", "stopped");
  tell({ do: "train", assignments, adapter, data });
  if (pause) {
    // A pause ends after the steps under way, and changes no bit.
    const first = await hear("step");
    if (first.kind === "failed") fail(`the run ${name} failed: ${first.message}`);
    const { kind, step } = await ask({ do: "pause" }, "paused", "finished");
    if (kind !== "paused") fail(`the run ${name} ended before it could be paused`);
    await ask({ do: "resume" }, "resumed");
    console.log(`${name}: paused after step ${step}`);
  }
  const end = await ended;
  if (end.kind !== "finished") fail(`the run ${name} ended as ${end.kind}: ${end.message}`);
  const wrong = heard.filter(({ kind }) => ["console", "warning"].includes(kind));
  if (wrong.length) fail(`the run ${name} said: ${wrong.map(({ message, text }) => message ?? text).join("; ")}`);
  const { layers, tier } = heard.find(({ kind }) => kind === "start");
  const { png } = await ask({ do: "map", layer: layers.find(({ maskable }) => maskable > 0).name }, "picture");
  if (Buffer.from(png).subarray(1, 4).toString() !== "PNG") fail(`${name}: the map is no PNG`);
  const { tar } = await ask({ do: "tar" }, "tar");
  writeFileSync(`${out}/${name}.tar`, tar);
  const { test_accuracy, images_per_second } = end.summary;
  console.log(`${name}: tier ${tier}, test accuracy ${(100 * test_accuracy).toFixed(2)} %, ${images_per_second.toFixed(0)} images/s`);
}

// The two runs of web/test/browser.mjs: RigL on the sample, paused on the way; SET on files of the CIFAR layout.
await run("rigl", { model: "resnet8", method: "rigl", sparsity: 0.9, delta_t: 5, epochs: 1, batch_size: 64, seed: 17,
  validation: 0.05, augment: "'zero'" }, null, true);
const files = readdirSync(cifar).map((name) => new File([readFileSync(join(cifar, name))], name));
const { found } = await ask({ do: "look", data: { source: "mini-cifar", files } }, "data");
if (found.train !== 256 || found.test !== 64) fail(`${cifar} is read as ${JSON.stringify(found)}`);
await run("set", { model: "resnet8", method: "set", sparsity: 0.8, delta_t: 2, epochs: 2, batch_size: 32, seed: 5,
  validation: 0, augment: "'none'" }, { source: "mini-cifar", files });
process.exit(0);
