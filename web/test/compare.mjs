// Holds a run of the browser's module, in a browser or in Node, against a native one of the same configuration on the same driver.
// Usage: compare.mjs losses|masks MODULE_RUN NATIVE_RUN
import { readFileSync } from "node:fs";

const [what, ...runs] = process.argv.slice(2);
const fail = (text) => { console.error(`error: ${text}`); process.exit(1); };

if (what === "losses") {
  // Tint's (Chromium's and Dawn's) and naga's code for the same shaders gave the same bits. But each may contract float operations
  // in its own way, and RigL then grows other weights where gradients nearly tie: each loss may differ by this share.
  const TOLERANCE = 0.02;
  const steps = runs.map((run) => readFileSync(`${run}/metrics.jsonl`, "utf8").trim().split("\n").map(JSON.parse).filter((line) => line.kind === "step"));
  if (steps[0].length < 30 || steps[0].length !== steps[1].length) fail(`${steps[0].length} and ${steps[1].length} steps`);
  let worst = 0, first = 0;
  steps[0].forEach((step, i) => {
    const difference = Math.abs(step.loss - steps[1][i].loss) / steps[1][i].loss;
    if (difference > worst) worst = difference;
    if (difference > 0 && !first) first = step.step;
    if (!(difference <= TOLERANCE)) fail(`the loss of step ${step.step} is ${step.loss} in the module and ${steps[1][i].loss} natively`);
  });
  console.log(`${steps[0].length} losses: largest relative difference ${worst.toExponential(1)}${first ? `, the first at step ${first}` : ""}`);
} else {
  // Every bitset of a checkpoint, by name.
  const bitsets = (run) => {
    const bytes = readFileSync(`${run}/last.safetensors`), length = Number(bytes.readBigUInt64LE());
    const header = JSON.parse(bytes.subarray(8, 8 + length));
    const sets = Object.entries(header).filter(([name]) => /^(active|explored|initial)\./.test(name));
    return new Map(sets.map(([name, { data_offsets: [from, to] }]) => [name, bytes.subarray(8 + length + from, 8 + length + to)]));
  };
  const [module, native] = runs.map(bitsets);
  if (module.size < 3 || module.size !== native.size) fail(`${module.size} and ${native.size} bitsets`);
  let bits = 0;
  for (const [name, set] of module) {
    if (!native.has(name) || !set.equals(native.get(name))) fail(`\`${name}\` differs`);
    if (name.startsWith("active.") && set.equals(module.get(name.replace("active", "initial")))) fail(`\`${name}\` never moved`);
    bits += 8 * set.length;
  }
  console.log(`${module.size} bitsets of ${bits} bits: equal`);
}
