// Following a capture: its facts as they come, whatever the network does.

import { capture as load, get } from "./api.js";
import { Problem } from "./problem.js";
import { readEvents } from "./sse.js";
import { NAMES, STATUS } from "./facts.js";

const SILENCE_MS = 30_000; // the service speaks every 10 s: after three times that the connection is dead
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 15_000;
const FINAL = [401, 403, 404, 410]; // trying again will not help

/**
 * Call `onFact({name, status, at_ms, value})` for each fact until the capture is finished. Facts may come
 * twice: it returns whether the fact was new.
 * `onQuiet(problem | null)` tells when the connection is lost and when it is back. Raises a final Problem.
 */
export async function follow(capture, onFact, onQuiet) {
  let pause = FIRST_PAUSE_MS;
  const heard = (fact) => {
    if (onFact(fact)) pause = FIRST_PAUSE_MS;
  };
  const opened = () => onQuiet(null);
  for (;;) {
    try {
      if ((await stream(capture.links.events, heard, opened)) || (await poll(capture.links.self, heard))) return;
    } catch (problem) {
      if (FINAL.includes(problem.status)) throw problem;
      if (await poll(capture.links.self, heard).catch(() => false)) return;
      onQuiet(problem);
    }
    await wait(pause);
    pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
  }
}

/** Hand over the facts that a capture's JSON holds; true when it is finished. */
export function factsOf(capture, onFact) {
  for (const name of NAMES) {
    const value = capture[name];
    if (value) onFact({ name, status: STATUS[name], at_ms: capture.timings?.[name] ?? null, value });
  }
  return Boolean(capture.anchor || capture.rejection);
}

const poll = async (link, onFact) => factsOf(await load(link), onFact);

/** Read the event stream; true when it said that there is no more. */
async function stream(link, onFact, onOpen) {
  const control = new AbortController();
  let ended = false;
  let timer;
  const alive = () => {
    clearTimeout(timer);
    timer = setTimeout(() => control.abort(), SILENCE_MS);
  };
  alive();
  try {
    const answer = await get(link, { signal: control.signal, cache: "no-store" });
    onOpen();
    await readEvents(answer, ({ event, data }) => {
      const fact = event === "fact" && JSON.parse(data);
      if (fact && NAMES.includes(fact.name)) onFact(fact); // a time-stamp may come beside the stages' facts
      if (event === "end") ended = true;
    }, alive);
  } catch (error) {
    if (!ended) throw error instanceof Problem ? error : new Problem(0);
  } finally {
    clearTimeout(timer);
    control.abort();
  }
  return ended;
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
