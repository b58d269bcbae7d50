// The rights as their owner states them: now, before, and anew. Each statement is an entry of the log.

import * as api from "./api.js";
import { time } from "./words.js";

const part = (id) => document.getElementById(id);
const AI = { not_allowed: "no", ask: "ask me first", allowed: "yes" };

/** Show what is stated, fill the form with it, and let `act(doing, what, done)` state what the form says. */
export async function show(base, work, act) {
  const told = await api.capture(`${base}/rights`);
  const { rights, history } = told;
  part("stated-words").textContent = entry(history.at(-1));
  part("stated-offer").hidden = !work;
  part("stated-earlier").hidden = history.length < 2;
  part("stated-history").replaceChildren(...history.slice(0, -1).reverse().map(earlier));
  fill(rights);
  part("rights").onsubmit = (event) => {
    event.preventDefault();
    act("Stating it…", () => state(base, rights), "It is stated, and gets its place in the log within seconds.");
  };
  return told;
}

/** AI first, as everywhere. */
export const words = ({ licence, ai_training: training }) => `May AI be trained on it: ${AI[training]}. ${meaning(licence)}`;

function entry({ rights, stated_at: at }) {
  const who = rights.credit || rights.creator;
  return `${who ? `${who}. ` : ""}${words(rights)} Since ${time(at)}.`;
}

const earlier = (each) => Object.assign(document.createElement("li"), { textContent: entry(each) });

const option = (licence) => [...part("licence").options].find(({ value }) => value === licence);
const meaning = (licence) => option(licence)?.dataset.means ?? `${licence}.`;

function fill({ ai_training: training, creator, credit, licence }) {
  const { elements } = part("rights");
  elements.namedItem("training").value = training;
  part("creator").value = creator ?? "";
  part("credit").value = credit ?? "";
  if (!option(licence)) part("licence").add(new Option(licence, licence)); // an address of their own
  part("licence").value = licence;
  part("licence").onchange = () => { part("licence-means").textContent = meaning(part("licence").value); };
  part("licence").onchange();
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
