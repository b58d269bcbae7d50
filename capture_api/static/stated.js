// The rights as their owner states them: now, before, and anew. Each statement is an entry of the log.

import * as api from "./api.js";
import { time } from "./words.js";

const part = (id) => document.getElementById(id);
const AI = { not_allowed: "no", ask: "ask me first", allowed: "yes" };

/** Show what is stated, fill the form with it, and let `act(doing, what, done)` state what the form says. */
export async function show(base, isWork, act) {
  const { rights, history } = await api.capture(`${base}/rights`);
  part("stated-words").textContent = words(history.at(-1));
  part("stated-offer").hidden = !isWork;
  part("stated-earlier").hidden = history.length < 2;
  part("stated-history").replaceChildren(...history.slice(0, -1).reverse().map(earlier));
  fill(rights);
  part("rights").onsubmit = (event) => {
    event.preventDefault();
    act("Stating it…", () => state(base, rights), "It is stated, and gets its place in the log within seconds.");
  };
}

function words({ rights, stated_at: at }) {
  const who = rights.credit || rights.creator;
  return `${who ? `${who}. ` : ""}${title(rights.licence)}. May AI be trained on it: ${AI[rights.ai_training]}. Since ${time(at)}.`;
}

const earlier = (entry) => Object.assign(document.createElement("li"), { textContent: words(entry) });

const title = (licence) => [...part("licence").options].find(({ value }) => value === licence)?.textContent ?? licence;

function fill({ ai_training: training, creator, credit, licence }) {
  const { elements } = part("rights");
  elements.namedItem("training").value = training;
  part("creator").value = creator ?? "";
  part("credit").value = credit ?? "";
  if (title(licence) === licence) part("licence").add(new Option(licence, licence)); // an address of their own
  part("licence").value = licence;
}

async function state(base, { copyright_notice: notice }) {
  const text = (id) => part(id).value.trim() || null; // null takes one away: what is left out comes from the key
  const rights = {
    creator: text("creator"), credit: text("credit"), copyright_notice: notice, licence: part("licence").value,
    ai_training: part("rights").elements.namedItem("training").value,
  };
  await api.get(`${base}/rights`, { method: "PUT", body: JSON.stringify(rights), headers: { "Content-Type": "application/json" } });
  part("restate").open = false;
}
