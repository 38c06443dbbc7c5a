// Owns the run: the page stays responsive whatever the module does. Messages in: {do, …}; out: {kind, …}.
import init, { Session } from "./itop_web.js";

const ready = init({ module_or_path: new URL("itop_web_bg.wasm", import.meta.url) });
let session;

async function open(data) {
  const opened = new Session();
  if (!data) return [opened];
  for (const file of data.files) opened.add_file(file.name, new Uint8Array(await file.arrayBuffer()));
  return [opened, JSON.parse(opened.load(data.source))];
}

const does = {
  // What there is to choose from.
  methods() { postMessage({ kind: "methods", methods: JSON.parse(Session.methods()) }); },
  // Looks at files, so that what is wrong with them is said when they are chosen.
  async look({ data }) {
    const [opened, found] = await open(data);
    opened.free();
    postMessage({ kind: "data", found });
  },
  async train({ assignments, adapter, data }) {
    [session] = await open(data);
    await session.train(assignments, adapter, (event) => postMessage(JSON.parse(event)));
  },
  pause() { session.pause(); },
  resume() { session.resume(); },
  stop() { session.stop(); },
  map({ layer }) {
    const png = session.map(layer);
    if (png) postMessage({ kind: "picture", layer, png }, [png.buffer]);
  },
  tar() {
    const tar = session.tar();
    postMessage({ kind: "tar", name: session.name() ?? "run", tar }, [tar.buffer]);
  },
};

onmessage = async ({ data }) => {
  try {
    await ready;
    await does[data.do](data);
  } catch (error) {
    postMessage({ kind: "failed", of: data.do, message: String(error?.message ?? error) });
  }
};
