// Drives the page in headless Chromium on its software GPU; see scripts/test-web.sh, which compares what is left in OUT with
// native runs. Usage: browser.mjs URL OUT CIFAR_FOLDER
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { chromium } from "playwright-core";

const [url, out, cifar] = process.argv.slice(2);
mkdirSync(out, { recursive: true });
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM,
  headless: true,
  args: ["--no-sandbox", "--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--disable-quic",
    "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
const wrong = [];
const expect = (fact, what) => { if (!fact) wrong.push(what); };

async function open(query, options) {
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 }, ...options });
  page.setDefaultTimeout(600_000);
  page.on("pageerror", (error) => wrong.push(`page error: ${error.message}`));
  page.on("console", (message) => { if (["error", "warning"].includes(message.type())) wrong.push(`console: ${message.text().slice(0, 500)}`); });
  page.on("request", (request) => expect(/^(http:\/\/127\.0\.0\.1|blob:|data:)/.test(request.url()), `asks for ${request.url()}`));
  await page.goto(url + query);
  return page;
}
const fill = async (page, settings) => {
  for (const [name, value] of Object.entries(settings)) {
    const field = page.locator(`[name=${name}]`);
    await (["method", "model"].includes(name) ? field.selectOption(value) : field.fill(`${value}`));
  }
};
const inState = (page, ...states) => page.waitForFunction((states) => states.includes(document.body.dataset.state), states);
async function download(page, name) {
  const [download] = await Promise.all([page.waitForEvent("download"), page.click("#download")]);
  await download.saveAs(`${out}/${name}.tar`);
}
const text = (page, id) => page.locator(`#${id}`).innerText();

// --- RigL on the sample: 30 steps, in both colour schemes, on a phone too
const page = await open("?set=validation=0.05&set=augment='zero'", { colorScheme: "light" });
await page.waitForFunction(() => !document.getElementById("start").disabled);
const rigl = { method: "rigl", sparsity: 0.9, delta_t: 5, epochs: 1, batch_size: 64, seed: 17 };
await fill(page, rigl);
// How long the page ever took to answer while the run went on.
await page.evaluate(() => {
  window.longest = 0;
  let last = performance.now();
  setInterval(() => { const now = performance.now(); window.longest = Math.max(window.longest, now - last - 50); last = now; }, 50);
});
await page.click("#start");
await inState(page, "running");
await page.waitForFunction(() => document.getElementById("loss").textContent !== "–");
await page.click("#pause");
await inState(page, "paused", "ended");
expect((await page.evaluate(() => document.body.dataset.state)) === "paused", "the run was not paused");
const at = await text(page, "status");
await page.waitForTimeout(1500);
expect(at === await text(page, "status"), "a paused run goes on");
await page.screenshot({ path: `${out}/paused.png` });
await page.click("#pause");
await inState(page, "ended");
const undisturbed = await text(page, "status");
expect(/^Done: test accuracy/.test(undisturbed), `the run ended as: ${undisturbed} ${await text(page, "notice")}`);
expect(await page.locator("#map").evaluate((image) => image.naturalWidth > 50), "there is no map");
expect((await page.locator("#charts svg path").count()) >= 4, "charts lack lines");
const longest = await page.evaluate(() => window.longest);
expect(longest < 2000, `the page did not answer for ${longest.toFixed(0)} ms`);
await download(page, "rigl");
await page.screenshot({ path: `${out}/light.png`, fullPage: true });
await page.emulateMedia({ colorScheme: "dark" });
await page.screenshot({ path: `${out}/dark.png`, fullPage: true });
await page.setViewportSize({ width: 390, height: 844 });
expect(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "the page is wider than a phone");
await page.screenshot({ path: `${out}/phone.png`, fullPage: true });
await page.close();

// --- what is not CIFAR is refused in clear words; then SET on files of the CIFAR layout
const set = await open("?set=validation=0&set=augment='none'");
await set.locator("[name=source]").selectOption("files");
await set.setInputFiles("#files", { name: "holiday.jpg", mimeType: "image/jpeg", buffer: Buffer.from("x") });
expect(/is CIFAR/.test(await text(set, "found")), `a photograph: ${await text(set, "found")}`);
for (const bytes of [3073 * 2 + 5, 0]) {
  const cut = ["data_batch_1.bin", "test_batch.bin"].map((name) => ({ name, mimeType: "", buffer: Buffer.alloc(bytes) }));
  await set.setInputFiles("#files", cut);
  await set.waitForFunction(() => /cannot be used/.test(document.getElementById("found").textContent));
  expect(/data_batch_1\.bin (is empty|has)/.test(await text(set, "found")), `${bytes} bytes: ${await text(set, "found")}`);
  expect(await set.locator("#start").isDisabled(), "a run could start on bad files");
}
await set.setInputFiles("#folder", cifar);
await set.waitForFunction(() => /test images/.test(document.getElementById("found").textContent));
await fill(set, { method: "set", sparsity: 0.8, delta_t: 2, epochs: 2, batch_size: 32, seed: 5 });
await set.click("#start");
await inState(set, "ended");
expect(/^Done/.test(await text(set, "status")), `SET ended as: ${await text(set, "status")} ${await text(set, "notice")}`);
await download(set, "set");
await set.close();

// --- the GPU is taken away in mid-run: the same run again, to the same end
const lost = await open("?set=validation=0.05&set=augment='zero'");
await lost.waitForFunction(() => !document.getElementById("start").disabled);
await fill(lost, rigl);
await lost.click("#start");
await lost.waitForFunction(() => /^Step [1-9]/.test(document.getElementById("status").textContent));
const before = wrong.length;
const below = (pid) => spawnSync("pgrep", ["-P", pid], { encoding: "utf8" }).stdout.split("\n").filter(Boolean).flatMap((child) => [child, ...below(child)]);
const gpus = below(process.pid).filter((pid) => /--type=gpu-process/.test(readFileSync(`/proc/${pid}/cmdline`, "utf8")));
expect(gpus.length === 1, `${gpus.length} GPU processes`);
gpus.forEach((pid) => process.kill(pid, "SIGKILL"));
await inState(lost, "ended");
wrong.splice(before, Infinity, ...wrong.slice(before).filter((one) => !/^console/.test(one))); // the browser's own words
expect(/The GPU was lost.*continues from step 0/i.test(await text(lost, "notice")), `a lost GPU: ${await text(lost, "notice")}`);
const accuracy = (status) => status.match(/accuracy [0-9.]+ %/)?.[0];
expect(accuracy(await text(lost, "status")) === accuracy(undisturbed), `undisturbed ${undisturbed}, after a lost GPU ${await text(lost, "status")}`);
await lost.screenshot({ path: `${out}/lost.png` });
await lost.close();

// --- without WebGPU the page says so
const without = await open("", {});
await without.addInitScript(() => Object.defineProperty(Navigator.prototype, "gpu", { get: () => undefined }));
await without.reload();
expect(/offers no WebGPU/.test(await text(without, "notice")), "a missing WebGPU is not explained");
expect(await without.locator("#start").isDisabled(), "a run could start without WebGPU");
await without.screenshot({ path: `${out}/without.png` });
await browser.close();

writeFileSync(`${out}/longest.txt`, `${longest.toFixed(0)}\n`);
if (wrong.length) {
  console.error(wrong.map((one) => `error: ${one}`).join("\n"));
  process.exit(1);
}
console.log(`the page trains, pauses, refuses and explains; it never took longer than ${longest.toFixed(0)} ms to answer`);
