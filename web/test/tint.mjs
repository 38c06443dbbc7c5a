// Has Tint, Dawn's compiler, read what `itop shaders --target wgsl --out FOLDER` wrote, and makes a pipeline of each with the
// constants of a real use: only then are workgroup sizes, limits and what depends on constants checked, and a driver's language written.
// Usage: tint.mjs FOLDER
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { adapterName, gpu } from "./dawn-gpu.mjs";

const [folder] = process.argv.slice(2);
const wrong = [];

// What naga adds to WGSL: no other compiler can be asked.
const LEFT_OUT = [[/\b[iu]64\b/, "64-bit integers"], [/\benable wgpu_\w+;/, "cooperative matrices"]];

// A device without what the tier does not promise: the base tier must do with WebGPU's default limits. What has subgroups also
// runs outside of browsers, where workgroups may have as many invocations as GPUs have (src/gpu/device.rs).
async function open(features) {
  const adapter = await gpu.requestAdapter();
  const missing = features.filter((feature) => !adapter.features.has(feature));
  if (missing.length) {
    console.log(`this adapter lacks ${missing.join(", ")}: those kernels are not read`);
    return null;
  }
  const most = (limit) => [limit, Math.min(adapter.limits[limit], 1024)];
  const larger = ["maxComputeInvocationsPerWorkgroup", "maxComputeWorkgroupSizeX"].map(most);
  const requiredLimits = Object.fromEntries(features.includes("subgroups") ? larger : []);
  const device = await adapter.requestDevice({ requiredFeatures: features, requiredLimits });
  device.lost.then(({ reason, message }) => { if (reason !== "destroyed") wrong.push(`the device is lost: ${message}`); });
  return device;
}

// The first thing that is wrong with a kernel, or nothing.
async function read(device, code, constants) {
  device.pushErrorScope("internal");
  device.pushErrorScope("validation");
  const module = device.createShaderModule({ code });
  const { messages } = await module.getCompilationInfo();
  const said = messages.find(({ type }) => ["error", "warning"].includes(type));
  let failed;
  if (!said) {
    try {
      await device.createComputePipelineAsync({ layout: "auto", compute: { module, entryPoint: "main", constants } });
    } catch (error) {
      failed = error.message;
    }
  }
  const scopes = [await device.popErrorScope(), await device.popErrorScope()];
  return said ? `${said.type} at ${said.lineNum}:${said.linePos}: ${said.message}` : failed ?? scopes.find(Boolean)?.message;
}

// If these pass, or are refused for another reason, nothing is being checked.
const FAULTS = [
  ["a barrier that not all invocations reach", /uniform control flow/, {}, `
    @group(0) @binding(0) var<storage, read_write> data: array<u32>;
    @compute @workgroup_size(64) fn main(@builtin(local_invocation_index) i: u32) { if data[i] > 0u { workgroupBarrier(); } }`],
  ["a workgroup too large by its constant", /4096/, { SIZE: 4096 }, `
    override SIZE: u32;
    @compute @workgroup_size(SIZE) fn main() {}`],
  ["workgroup memory too large by its constant", /storage|memory/i, { SIZE: 1000000 }, `
    override SIZE: u32;
    var<workgroup> shared_words: array<u32, SIZE>;
    @compute @workgroup_size(1) fn main() { shared_words[0] = 1u; }`],
  ["a constant without a value", /SIZE/, {}, `
    override SIZE: u32;
    @compute @workgroup_size(SIZE) fn main() {}`],
];

console.log(`Tint for ${await adapterName()}`);
const base = await open([]);
for (const [what, reason, constants, code] of FAULTS) {
  const found = await read(base, code, constants);
  if (!reason.test(found ?? "")) wrong.push(`Tint says to ${what}: ${found ?? "nothing"}`);
}
const tiers = readdirSync(folder).sort((a, b) => a.length - b.length);
for (const tier of tiers) {
  const began = performance.now();
  const constants = JSON.parse(readFileSync(join(folder, tier, "constants.json"), "utf8"));
  const names = Object.keys(constants).filter((name) => existsSync(join(folder, tier, `${name}.wgsl`)));
  if (!names.length || names.length !== Object.keys(constants).length) wrong.push(`${tier}: ${names.length} files of ${Object.keys(constants).length}`);
  const codes = new Map(names.map((name) => [name, readFileSync(join(folder, tier, `${name}.wgsl`), "utf8")]));
  const why = (code) => LEFT_OUT.find(([pattern]) => pattern.test(code))?.[1];
  const left = {};
  const kept = names.filter((name) => {
    const reason = why(codes.get(name));
    if (reason) left[reason] = (left[reason] ?? 0) + 1;
    return !reason;
  });
  // Here nothing may hide behind an extension.
  if (["webgpu", "subgroups"].includes(tier) && kept.length !== names.length) wrong.push(`${tier}: ${JSON.stringify(left)}`);
  const lanes = tier.includes("subgroups");
  const half = kept.some((name) => /\benable f16;/.test(codes.get(name)));
  const device = lanes || half ? await open([...lanes ? ["subgroups"] : [], ...half ? ["shader-f16"] : []]) : base;
  if (!device) continue;
  for (const name of kept) {
    // naga 30 knows no `enable subgroups;`, Tint wants it.
    const found = await read(device, (lanes ? "enable subgroups;\n" : "") + codes.get(name), constants[name]);
    if (found) wrong.push(`${tier}/${name}: ${found.split("\n")[0]}`);
  }
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  const without = Object.entries(left).map(([reason, count]) => `${count} left out, ${reason} are not WGSL's`);
  const tried = kept.length ? [`${kept.length} permutations read, and a pipeline made of each, in ${seconds} s`] : [];
  console.log(`${tier}: ${[...tried, ...without].join("; ")}`);
}
if (wrong.length) console.error([...wrong.slice(0, 20).map((one) => `error: ${one}`), ...wrong.length > 20 ? [`and ${wrong.length - 20} more`] : []].join("\n"));
process.exit(wrong.length ? 1 : 0);
