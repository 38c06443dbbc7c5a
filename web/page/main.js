// The page: settings in, events of the run out. The run itself is in worker.js.
import { draw } from "./chart.js";

const $ = (id) => document.getElementById(id);
const form = $("settings"), field = form.elements;
const worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
const percent = (share) => share == null ? "–" : `${(100 * share).toFixed(2)} %`;
const count = (number) => number.toLocaleString("en");

let state = "idle"; // idle, starting, running, pausing, paused, stopping, ended
let run = null; // what the `start` event said, with the points of the charts
let chosen = null; // {source, files} of dropped CIFAR files
let adapter = "";
let hidden = false; // was in the background while running

// --- what can be done in which state

function enter(next, text) {
  state = next;
  const busy = !["idle", "ended"].includes(state);
  $("choices").disabled = busy;
  $("start").hidden = busy;
  $("start").disabled = !adapter || (field.source.value === "files" && !chosen?.good);
  $("pause").hidden = $("stop").hidden = !busy;
  $("pause").textContent = state === "paused" ? "Resume" : "Pause";
  $("pause").disabled = !["running", "paused"].includes(state);
  $("stop").disabled = !["running", "pausing", "paused"].includes(state);
  if (text) $("status").textContent = text;
  document.body.dataset.state = state;
}

function impossible(why) {
  $("status").textContent = "Training is not possible here.";
  notice(why);
}

function notice(text) {
  $("notice").textContent = text;
  $("notice").hidden = !text;
}

// --- WebGPU

const NO_WEBGPU = `This browser offers no WebGPU, which the training runs on.
Chrome, Edge and Opera have it from version 113 (Android: 121), Safari from 26, Firefox from 141 on Windows and 145 on macOS.
On Linux it may have to be switched on: chrome://flags/#enable-unsafe-webgpu. The page must come by https or from localhost.
The same training runs without a browser: itop train`;

async function findAdapter() {
  if (!navigator.gpu) return impossible(NO_WEBGPU);
  const found = await navigator.gpu.requestAdapter().catch(() => null);
  if (!found) return impossible(`This browser knows WebGPU, but found no GPU that it is allowed to use.\nchrome://gpu (about:support in Firefox) says why; a driver update or “use graphics acceleration” in the settings often mends it.`);
  const { description, vendor, architecture, isFallbackAdapter } = found.info ?? {};
  adapter = description || [vendor, architecture].filter(Boolean).join(" ") || "GPU of the browser";
  $("about").textContent = `GPU: ${adapter}${isFallbackAdapter ? ": software, computed on the processor, much slower than a GPU" : ""}`;
  enter("idle");
}

// --- CIFAR files

const PARTS = /^(data_batch_\d+\.bin|test_batch\.bin|batches\.meta\.txt|train\.bin|test\.bin|fine_label_names\.txt|.+\.tar\.gz)$/;

function choose(files, folder) {
  const parts = [...files].filter((file) => PARTS.test(file.name));
  const packed = parts.filter((file) => file.name.endsWith(".tar.gz"));
  chosen = null;
  enter(state);
  if (!files.length) return;
  if (!parts.length) {
    $("found").textContent = `None of these ${files.length} files is CIFAR: expected data_batch_1.bin … and test_batch.bin (CIFAR-10), train.bin and test.bin (CIFAR-100), or the .tar.gz of one. Mind: the binary version, not the Python one.`;
    return;
  }
  const ten = parts.some((file) => file.name.startsWith("data_batch_"));
  const source = folder || (ten ? "cifar-10-batches-bin" : "cifar-100-binary");
  chosen = { source, files: packed.length ? packed.slice(0, 1) : parts };
  $("found").textContent = "Reading…";
  worker.postMessage({ do: "look", data: chosen });
}

async function filesOf(entry) {
  if (entry.isFile) return [await new Promise((done, failed) => entry.file(done, failed))];
  const reader = entry.createReader(), found = [];
  for (;;) {
    const some = await new Promise((done, failed) => reader.readEntries(done, failed));
    if (!some.length) break;
    found.push(...some.filter((one) => one.isFile));
  }
  return (await Promise.all(found.map(filesOf))).flat();
}

for (const kind of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    $("drop").classList.toggle("over", kind === "dragover");
  });
}
document.addEventListener("drop", async (event) => {
  if ($("choices").disabled) return;
  field.source.value = "files";
  $("drop").hidden = false;
  const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const folder = entries.length === 1 && entries[0].isDirectory ? entries[0].name : "";
  const files = entries.length ? (await Promise.all(entries.map(filesOf))).flat() : [...event.dataTransfer.files];
  choose(files, folder);
});
$("files").addEventListener("change", () => choose($("files").files, ""));
$("folder").addEventListener("change", () => choose($("folder").files, $("folder").files[0]?.webkitRelativePath.split("/")[0]));
field.source.addEventListener("change", () => {
  $("drop").hidden = field.source.value !== "files";
  enter(state);
});

// --- the run

field.sparsity.addEventListener("input", () => { $("percent").textContent = `${Math.round(100 * field.sparsity.value)} %`; });
field.method.addEventListener("change", () => {
  field.delta_t.disabled = field.method.selectedOptions[0].dataset.moves === "false";
  field.sparsity.disabled = field.method.value === "dense";
});

form.addEventListener("submit", (event) => {
  event.preventDefault();
  notice("");
  const keys = ["model", "method", "sparsity", "delta_t", "epochs", "batch_size", "seed"];
  const assignments = keys.map((key) => `${key}=${field[key].value}`);
  // For tests and for the curious: ?set=validation=0.1&set=…
  assignments.push(...new URLSearchParams(location.search).getAll("set"));
  run = null;
  hidden = false;
  $("download").hidden = true;
  enter("starting", "Preparing the run…");
  const data = field.source.value === "files" ? chosen : null;
  worker.postMessage({ do: "train", assignments, adapter, data });
});
$("pause").addEventListener("click", () => {
  if (state === "paused") { worker.postMessage({ do: "resume" }); return; }
  worker.postMessage({ do: "pause" });
  enter("pausing", "Pausing after the steps under way…");
});
$("stop").addEventListener("click", () => {
  worker.postMessage({ do: "stop" });
  enter("stopping", "Stopping after the steps under way…");
});
$("download").addEventListener("click", () => worker.postMessage({ do: "tar" }));
$("layer").addEventListener("change", () => worker.postMessage({ do: "map", layer: $("layer").value }));

const hears = {
  methods({ methods }) {
    const before = field.method.value;
    field.method.replaceChildren(...methods.map(({ name, title, about, moves }) => {
      const option = new Option(`${title}: ${about}`, name);
      option.dataset.moves = moves;
      return option;
    }));
    field.method.value = before;
  },
  start(event) {
    run = { ...event, loss: [], accuracy: [], validation: [], rs: [[0, event.itop_rate]], expected: [[0, event.itop_rate]], done: 0 };
    $("about").textContent = `${event.name}: ${count(event.active)} of ${count(event.maskable)} weights active, ${count(event.steps)} steps, `
      + `${count(event.updates)} topology updates, ${(event.gpu_bytes / 2 ** 20).toFixed(1)} MiB of GPU memory. `
      + `GPU: ${event.adapter}${event.software ? ": software, computed on the processor, much slower than a GPU" : ""} (WebGPU, tier ${event.tier}).`;
    const before = $("layer").value;
    $("layer").replaceChildren(...event.layers.map((layer) => new Option(layer.name)));
    const largest = event.layers.reduce((a, b) => b.maskable > a.maskable ? b : a, { maskable: -1 }).name;
    $("layer").value = event.layers.some((layer) => layer.name === before) ? before : largest ?? "";
    $("map").hidden = true;
    $("charts").hidden = false;
    redraw();
    for (const id of ["loss", "accuracy", "validation", "speed"]) $(id).textContent = "–";
  },
  checking({ done, total }) { $("status").textContent = `Checking that this GPU computes right: ${done} of ${total}…`; },
  preparing({ done, total }) { $("status").textContent = `Preparing kernels: ${done} of ${total} passes…`; },
  step(event) {
    run.done = event.step;
    run.loss.push([event.step, event.loss]);
    run.accuracy.push([event.step, event.accuracy]);
    run.latest = event;
    redraw();
  },
  epoch(event) {
    run.validation.push([event.step, event.val_accuracy]);
    run.epoch = event.epoch;
    $("validation").textContent = percent(event.val_accuracy);
    $("download").hidden = false;
    redraw();
  },
  update(event) {
    run.rs.push([event.step, event.itop_rate]);
    run.expected.push([event.step, event.expected_itop_rate]);
    redraw();
  },
  map() {
    $("download").hidden = false;
    if ($("layer").value) worker.postMessage({ do: "map", layer: $("layer").value });
    if (state === "starting") enter("running", "The browser compiles the kernels; the first step waits for it…");
  },
  picture({ layer, png }) {
    if (layer !== $("layer").value) return;
    URL.revokeObjectURL($("map").src);
    $("map").src = URL.createObjectURL(new Blob([png], { type: "image/png" }));
    $("map").hidden = false;
  },
  data({ found }) {
    if (!chosen) return;
    chosen.good = true;
    $("found").textContent = `${found.name}: ${count(found.train)} train and ${count(found.test)} test images, ${found.classes} classes.`;
    enter(state);
  },
  warning({ text }) { notice(`Warning: ${text}`); },
  paused({ step }) { enter("paused", `Paused after step ${count(step)} of ${count(run.steps)}.`); },
  resumed() { enter("running", "Going on…"); },
  stopped({ step }) {
    enter("ended", `Stopped after step ${count(step)} of ${count(run.steps)}; the download can go on natively.`);
    hint("last");
  },
  finished({ summary }) {
    run.done = run.steps;
    run.summary = summary;
    redraw();
    enter("ended", `Done: test accuracy ${percent(summary.test_accuracy)} (epoch ${summary.best_epoch}), ${summary.images_per_second.toFixed(0)} images/s.`);
    hint("best");
  },
  tar({ name, tar }) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([tar], { type: "application/x-tar" }));
    link.download = `${name}.tar`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  },
  failed({ of, message }) {
    if (of === "methods") return impossible(`The page's module cannot be loaded: ${message}`);
    if (of === "look") {
      chosen = null;
      $("found").textContent = `These files cannot be used: ${message}.`;
      return enter(state);
    }
    const lost = /GPU was lost|device is lost/i.test(message);
    notice((lost ? "The GPU was taken away: its driver was reset, the machine slept, or a step took too long.\n" : "") + `${message[0].toUpperCase()}${message.slice(1)}`
      + (run?.done ? "\nThe run as of its last checkpoint can be downloaded and gone on with natively." : ""));
    enter("ended", "The run ended early.");
    if (run?.done) hint("last");
  },
};
worker.onmessage = ({ data }) => hears[data.kind]?.(data);
worker.onerror = (event) => {
  event.preventDefault();
  hears.failed({ of: "train", message: event.message || "the module could not be loaded; build it with `cargo xtask web`" });
};

function hint(checkpoint) {
  const { name } = run, eval_ = checkpoint === "last" ? "itop eval --checkpoint last" : "itop eval";
  const resume = checkpoint === "last" ? `, itop train --resume --out ${name}` : "";
  $("hint").textContent = `Natively: tar -xf ${name}.tar, then ${eval_} ${name}, itop report ${name}${resume}.`;
  $("hint").hidden = false;
}

// --- drawing, at most once a frame

let frame = 0;
function redraw() {
  frame ||= requestAnimationFrame(() => {
    frame = 0;
    if (!run) return;
    const { latest } = run, rs = run.rs.at(-1)[1], expected = run.expected.at(-1)[1];
    if (latest) {
      $("loss").textContent = latest.loss.toFixed(4);
      $("accuracy").textContent = percent(latest.accuracy);
      $("speed").textContent = latest.images_per_second.toFixed(latest.images_per_second < 10 ? 1 : 0);
      if (state === "running") $("status").textContent = `Step ${count(run.done)} of ${count(run.steps)}, epoch ${latest.epoch + 1} of ${run.epochs}`;
    }
    $("rs").textContent = rs.toFixed(4);
    $("expected").textContent = `random growth: ${expected.toFixed(4)} now, ${run.expected_itop_rate.toFixed(4)} at the end`;
    $("progress").max = run.steps;
    $("progress").value = run.done;
    document.title = `${Math.floor(100 * run.done / run.steps)} % – itop`;
    draw($("chart-loss"), [{ label: "training, by step", points: run.loss }], false);
    draw($("chart-accuracy"), [{ label: "training, by step", points: run.accuracy }, { label: "validation, by epoch", points: run.validation }], true);
    draw($("chart-rs"), [{ label: "ever active (Rs)", points: run.rs }, { label: "expected of random growth", points: run.expected }], true);
  });
}

// --- the tab

document.addEventListener("visibilitychange", () => {
  if (document.hidden) { hidden ||= ["running", "starting"].includes(state); return; }
  if (hidden && ["running", "starting"].includes(state)) notice("While this tab was in the background the browser may have slowed the run down. Nothing is lost; keep the tab in front for full speed.");
  hidden = false;
  redraw();
});
window.addEventListener("beforeunload", (event) => {
  if (["starting", "running", "pausing", "paused", "stopping"].includes(state)) event.preventDefault();
});

enter("idle");
worker.postMessage({ do: "methods" });
await findAdapter();
