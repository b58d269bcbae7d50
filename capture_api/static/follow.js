// Following captures: their facts as they come, over one event stream for all of them, whatever the network does.
//
// One stream, not one a photo: browsers keep six connections to a service, and uploads need them too.

import { capture as load, get } from "./api.js";
import { Problem } from "./problem.js";
import { readEvents } from "./sse.js";
import { NAMES, STATUS } from "./facts.js";

const SILENCE_MS = 30_000; // the service speaks every 10 s: after three times that the connection is dead
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 15_000;
const REFUSED = [401, 403]; // trying again with this key will not help
const GONE = [404, 410];
const followed = new Map(); // id → listener
let walking = false;
let ready = false; // the stream is open: what happens from now on is told
let lastId = ""; // from where on it is told after a break
let control = null;
let refused = () => {};

/** `onKeyRefused(problem)` is called when the key is good for nothing; `again` goes on with another. */
export const install = (onKeyRefused) => { refused = onKeyRefused; };
/** Go on following, with a new key or after a sleep. */
export const again = () => walk();

/**
 * Call `listener.onFact({name, status, at_ms, value})` for each fact of this capture until it is finished; facts may come
 * twice. Then `onEnd(capture)`. `onQuiet(problem | null)` tells when the connection is lost and when it is back,
 * `onGone(problem)` that there is nothing to follow any more.
 */
export function follow(id, listener) {
  followed.set(id, listener);
  if (ready) look(id).catch((problem) => listener.onQuiet(problem));
  walk();
}

/** Follow it no more. */
export function leave(id) {
  followed.delete(id);
  if (!followed.size) control?.abort();
}

/** Hand over the facts that a capture's JSON holds; true when it is finished. */
export function factsOf(capture, onFact) {
  for (const name of NAMES) {
    const value = capture[name];
    if (value) onFact({ name, status: STATUS[name], at_ms: capture.timings?.[name] ?? null, value });
  }
  return Boolean(capture.anchor || capture.rejection);
}

async function walk() {
  if (walking) return;
  walking = true;
  let pause = FIRST_PAUSE_MS;
  while (followed.size) {
    try {
      await stream(() => { pause = FIRST_PAUSE_MS; });
    } catch (problem) {
      if (REFUSED.includes(problem.status)) {
        refused(problem);
        break;
      }
      await poll(problem);
    }
    if (followed.size) await wait(pause);
    pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
  }
  walking = false;
}

/** Without a stream: ask for each by itself. */
async function poll(problem) {
  const answers = await Promise.allSettled([...followed.keys()].map(look));
  const lost = answers.length && answers.every(({ status }) => status === "rejected");
  for (const { onQuiet } of followed.values()) onQuiet(lost ? problem : null);
}

/** All that is known of a capture by now. */
async function look(id) {
  const listener = followed.get(id);
  try {
    const capture = await load(`/v1/captures/${id}`);
    const isFinished = factsOf(capture, listener.onFact);
    if (!followed.has(id)) return;
    if (isFinished) leave(id);
    if (isFinished) listener.onEnd(capture);
    else listener.onCapture(capture);
  } catch (problem) {
    if (!GONE.includes(problem.status)) throw problem;
    leave(id);
    listener.onGone(problem);
  }
}

/** Read the event stream until the service ends it or nobody is followed. */
async function stream(onHeard) {
  const mine = new AbortController();
  control = mine;
  let timer;
  const alive = () => {
    clearTimeout(timer);
    timer = setTimeout(() => mine.abort(), SILENCE_MS);
  };
  alive();
  try {
    const headers = lastId ? { "Last-Event-ID": lastId } : {};
    const answer = await get("/v1/events", { signal: mine.signal, cache: "no-store", headers });
    await readEvents(answer, (event) => { onHeard(); heard(event); }, alive);
  } catch (error) {
    if (followed.size) throw error instanceof Problem ? error : new Problem(0);
  } finally {
    clearTimeout(timer);
    ready = false;
    mine.abort();
  }
}

function heard({ event, data, id }) {
  if (id) lastId = id;
  const told = JSON.parse(data);
  if (event === "ready") return opened();
  const listener = followed.get(told.id);
  if (!listener) return;
  if (event === "erased") {
    leave(told.id);
    listener.onGone(new Problem(410));
  }
  if (event !== "fact" || !NAMES.includes(told.name)) return; // a time-stamp may come beside the stages' facts
  listener.onFact(told);
  // Whole, with all its links; and what the verdict found that nobody named.
  if (["anchor", "rejection"].includes(told.name) || told.value.matches?.length) look(told.id).catch(() => {});
}

/** From here on the stream tells: what was before is asked for. */
function opened() {
  ready = true;
  for (const [id, { onQuiet }] of followed) {
    onQuiet(null);
    look(id).catch(onQuiet);
  }
}

/** Sleep, but not past the moment when the network or the person comes back. */
function wait(ms) {
  return new Promise((resolve) => {
    const wake = () => {
      clearTimeout(timer);
      removeEventListener("online", wake);
      document.removeEventListener("visibilitychange", wake);
      resolve();
    };
    const timer = setTimeout(wake, ms);
    addEventListener("online", wake);
    document.addEventListener("visibilitychange", wake);
  });
}
