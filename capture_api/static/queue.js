// The queue: each photo goes from the shelf to the service once, whatever the network, the tab or the phone does.
//
// new → waiting → checking → sending → arrived → done. On the way it may be paused, or failed with its reason.
// What is true is on the shelf (store.js); every step is written there before the next one begins, and start-up is
// recovery: whatever was checking or sending when the tab was killed goes on from the shelf.

import * as device from "./device.js";
import * as apiKey from "./key.js";
import { sha256 } from "./digest.js";
import { Problem, explain } from "./problem.js";
import { Stopped, forget, send, standing } from "./send.js";
import * as store from "./store.js";
import { thumbOf } from "./thumb.js";

const UNSENT = ["waiting", "checking", "sending"];
const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 5 * 60_000;
const OFFLINE_PAUSE_MS = 30_000; // "offline" is not always true: a service on the same network may answer
const TELL_MS = 500; // how often progress is written down
const NONCES = ["unknown-nonce", "stale", "replayed"]; // another one may do
const LOCK = "capture.queue"; // one tab sends; when it closes, the next one does
const tabs = "BroadcastChannel" in globalThis ? new BroadcastChannel("capture.queue") : null;
const listeners = [];
let current = null; // {id, control} of what this tab sends
let timer = null;
let keyRefused = () => {};

/** Call `listener(id, item | undefined)` whenever an item changed, in this tab or another. */
export const onChange = (listener) => listeners.push(listener);

/** Begin, or go on. `onKeyRefused(problem)` asks for another key. */
export function start(onKeyRefused) {
  keyRefused = onKeyRefused;
  tabs?.addEventListener("message", async ({ data: id }) => tell(id, await store.item(id)));
  addEventListener("online", () => wake());
  document.addEventListener("visibilitychange", () => { if (!document.hidden) wake(); });
  navigator.serviceWorker?.addEventListener("message", ({ data }) => { if (data === "wake") wake(); });
  return wake();
}

/** Keep a photo on the shelf: first its bytes, then what is told from them. Returns the item; null for one that is there already. */
export async function add(photo, { name, place, camera = false }) {
  const id = uuid();
  const made = {
    id, key: uuid(), name, place, camera, type: photo.type, size: photo.size, added: Date.now(), sha256: null, statement: null,
    state: "new", metadata: null, uploadUrl: null, offset: 0, attempts: 0, retryAt: 0, problem: null, captureId: null, capture: null,
  };
  await store.add(made, photo);
  navigator.storage?.persist?.().catch(() => {}); // so that a full phone does not sweep the queue away
  const digest = await sha256(photo);
  if (digest && !(await store.claim(id, digest, ({ state }) => !["arrived", "done"].includes(state)))) {
    await store.remove(id);
    return null;
  }
  // Without a network this moment is stated now; with one, the upload itself is signed in a moment.
  const statement = digest && camera && !navigator.onLine ? await device.state(digest) : null;
  const thumb = await thumbOf(photo).catch(() => null);
  if (thumb) await store.keepThumb(id, thumb);
  return write(id, { statement });
}

/** Send these from now on, with what their owner states about them. */
export async function release(ids, metadata) {
  for (const id of ids) await write(id, (item) => item.state === "new" && { state: "waiting", metadata });
  navigator.serviceWorker?.ready.then((worker) => worker.sync?.register("queue")).catch(() => {}); // wakes a page that sleeps
  run();
}

export async function pause(id) {
  await write(id, ({ state }) => UNSENT.includes(state) && { state: "paused", retryAt: 0 });
  if (current?.id === id) current.control.abort();
}

/** Go on with a paused photo, or try a failed one again. `insist`: send it although its owner had it erased. */
export async function resume(id, { insist = false } = {}) {
  await write(id, ({ state }) => (["paused", "failed"].includes(state) || UNSENT.includes(state)) && state !== "sending"
    && { state: "waiting", problem: null, attempts: 0, retryAt: 0, ...(insist && { insist }) });
  run({ isForced: true });
}

/** Back to the form: what was refused can be stated otherwise. The old key stands for the old request. */
export const reopen = (id) => write(id, { state: "new", problem: null, key: uuid(), uploadUrl: null, offset: 0 });

/** Take a photo off the list. What has arrived stays registered. `quietly`: this tab's card stays. */
export async function remove(id, { quietly = false } = {}) {
  const item = await store.item(id);
  if (current?.id === id) current.control.abort();
  await store.remove(id);
  tabs?.postMessage(id);
  if (!quietly) tell(id, undefined);
  if (item?.uploadUrl && !item.captureId) forget(item.uploadUrl);
}

/** All that is to be said of the capture is known: keep it for the list. */
export const finished = (id, capture) => write(id, { state: "done", capture });

/** What was heard of the capture so far, for a list without a network. */
export const heard = (id, capture) => write(id, ({ state }) => state === "arrived" && { capture });

/** Try now what waits for another try: the network, the person or a new key is here. `how.isForced`: also when it seems offline. */
export async function wake(how) {
  if (apiKey.current() && navigator.onLine) device.enrol().catch(() => {}); // now, so that there is a key when the network is not
  for (const { id, state, retryAt } of await store.items()) {
    if (state === "waiting" && retryAt) await write(id, (item) => item.state === "waiting" && { retryAt: 0, attempts: 0 });
  }
  return run(how);
}

async function run({ isForced = false } = {}) {
  clearTimeout(timer);
  if (!apiKey.current() || run.asked) return;
  if (!navigator.onLine && !isForced) {
    timer = setTimeout(run, OFFLINE_PAUSE_MS, { isForced: true });
    return;
  }
  run.asked = true; // waiting for the lock counts: one question a tab is enough
  try {
    await alone(async () => { while (apiKey.current() && await next()) ; });
  } finally {
    run.asked = false;
  }
  await later();
}

const alone = (work) => (navigator.locks ? navigator.locks.request(LOCK, work) : work());

/** Send the oldest photo that is due; false when there is none. */
async function next() {
  const item = (await store.items()).find(({ state, retryAt }) => UNSENT.includes(state) && retryAt <= Date.now());
  if (item) await attempt(item);
  return Boolean(item);
}

/** Come back when the next try is due. */
async function later() {
  const waiting = (await store.items()).filter(({ state }) => UNSENT.includes(state));
  if (!waiting.length || !apiKey.current()) return;
  clearTimeout(timer);
  timer = setTimeout(run, Math.max(50, Math.min(...waiting.map(({ retryAt }) => retryAt)) - Date.now()));
}

async function attempt(item) {
  current = { id: item.id, control: new AbortController() };
  try {
    await through(item, current.control.signal);
  } catch (error) {
    if (error instanceof Stopped) return; // whoever stopped it has written why
    await trouble(item.id, error instanceof Problem ? error : new Problem(0, { detail: String(error) }));
    if (!(error instanceof Problem)) console.error(error);
  } finally {
    current = null;
  }
}

async function through(item, signal) {
  item = await step(item.id, { state: "checking" });
  const photo = await store.photo(item.id);
  if (!photo) return write(item.id, { state: "failed", problem: GONE });
  if (!item.sha256) item = await step(item.id, { sha256: await sha256(photo) });
  const known = item.sha256 ? await standing(item.sha256) : { state: "unknown" };
  if (known.state === "known") return arrived(item.id, known.id, !item.uploadUrl);
  if (known.state === "erased" && !item.insist) return write(item.id, { state: "failed", problem: ERASED });
  item = await step(item.id, { state: "sending", problem: null });
  return arrived(item.id, await sent(item, photo, signal), false);
}

async function sent(item, photo, signal) {
  let told = 0;
  const onProgress = (offset) => {
    if (Date.now() < told + TELL_MS) return;
    told = Date.now();
    write(item.id, ({ state }) => state === "sending" && { offset });
  };
  const onPlace = (uploadUrl) => write(item.id, { uploadUrl });
  const isSigned = item.sha256 && !item.statement && !item.unsigned;
  const sign = async (method, path) => (isSigned ? device.sign(method, path, item.sha256) : {});
  const id = await send(item, photo, { onPlace, onProgress, sign, signal });
  return id ?? (await standing(item.sha256)).id;
}

async function arrived(id, captureId, known) {
  await write(id, { state: "arrived", captureId, known, offset: 0, problem: null });
  await store.dropPhoto(id); // acknowledged is durable there: the phone needs the room
}

/** The next step, unless somebody paused or removed it meanwhile. Raises Stopped then. */
async function step(id, changes) {
  const item = await write(id, ({ state }) => UNSENT.includes(state) && changes);
  if (!item || !UNSENT.includes(item.state)) throw new Stopped();
  return item;
}

const ERASED = { status: 410, type: "erased", title: "You erased this photo before", detail: "So it was not sent again by itself.", next: "Register it again if you want it back, or remove it." };
const GONE = { status: 404, type: "gone", title: "The photo is not on this device any more", detail: "The browser has thrown it away.", next: "Choose it again." };

/** Write down why it did not go, and whether and when it is tried again. */
async function trouble(id, problem) {
  const { status, type, title, detail, retryAfterS } = problem;
  const kept = { status, type, title, detail };
  if (status === 401) {
    await write(id, ({ state }) => UNSENT.includes(state) && { state: "waiting" });
    return keyRefused(problem);
  }
  if (["revoked", "unknown-device", "wrong-key"].includes(problem.reason)) await device.forget();
  await write(id, (item) => {
    if (!UNSENT.includes(item.state)) return null;
    // A photo is worth more than who vouches for it: it is signed anew, and if that does not help, goes unsigned.
    if (type === "signature-refused" && !item.unsigned) {
      const isOver = !NONCES.includes(problem.reason) || item.attempts > 1;
      return { state: "waiting", attempts: item.attempts + 1, uploadUrl: null, offset: 0, ...(isOver && { unsigned: true, statement: null }) };
    }
    // Bytes that changed on the way, or a digest of other bytes: both are made anew, once, never again and again.
    if (type === "wrong-digest" && !item.remade) return { state: "waiting", remade: true, sha256: null, statement: null, uploadUrl: null, offset: 0, problem: null };
    if (!explain(problem).later) return { state: "failed", problem: kept, uploadUrl: null, offset: 0 };
    const pause = Math.min(FIRST_PAUSE_MS * 2 ** item.attempts, LONGEST_PAUSE_MS) * (0.75 + Math.random() / 2);
    return { state: "waiting", problem: kept, attempts: item.attempts + 1, retryAt: Date.now() + Math.max(pause, 1000 * (retryAfterS ?? 0)) };
  });
}

async function write(id, changes) {
  const item = await store.change(id, changes);
  if (item) shout(id, item);
  return item;
}

function shout(id, item) {
  tabs?.postMessage(id);
  tell(id, item);
}

function tell(id, item) {
  // Paused or removed in another tab, while this one sends it.
  if (current?.id === id && !UNSENT.includes(item?.state) && item?.state !== "arrived") current.control.abort();
  for (const listener of listeners) listener(id, item);
}

// crypto.randomUUID is for pages over https only.
function uuid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("").replace(/(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
