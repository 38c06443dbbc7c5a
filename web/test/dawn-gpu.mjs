// `navigator.gpu` of Dawn in Node, on the one adapter that $DAWN_ADAPTER names a part of (else on the one that Dawn likes best).
import { create, globals } from "webgpu";

Object.assign(globalThis, globals);

const wanted = process.env.DAWN_ADAPTER;
export const gpu = create(wanted ? [`adapter=${wanted}`] : []);

// What to call the adapter; ends the program where there is none.
export async function adapterName() {
  const adapter = await gpu.requestAdapter();
  if (!adapter) {
    console.error("error: Dawn finds no adapter here; a Vulkan driver such as Mesa's lavapipe is one");
    process.exit(1);
  }
  const { description, vendor, architecture } = adapter.info;
  return description || [vendor, architecture].filter(Boolean).join(" ");
}
