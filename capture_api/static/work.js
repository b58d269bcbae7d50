// The owner's page of a work: offer it, see what it earned, have it paid out. What takes a transaction is an order.

import * as api from "./api.js";
import * as earned from "./earned.js";
import * as keyform from "./keyform.js";
import { amount, chainName } from "./money.js";
import * as offer from "./offer.js";
import * as origin from "./origin.js";
import { explain } from "./problem.js";
import * as review from "./review.js";
import * as stated from "./stated.js";
import * as wallet from "./wallet.js";

const part = (id) => document.getElementById(id);
const ID = part("work").dataset.capture;
const pathOf = (id) => `/v1/captures/${encodeURIComponent(id)}`;
const BASE = pathOf(ID);
const WAIT_MS = 120_000;
let work = null;

async function load() {
  part("trouble").hidden = true;
  try {
    await picture();
    work = await api.capture(`${BASE}/asset`).catch((problem) => {
      if (problem.type !== "no-work") throw problem;
      return null;
    });
    show();
    const { rights, history } = await stated.show(BASE, work, act);
    offer.fill(work, rights);
    part("work").hidden = false; // not before: what somebody chose meanwhile would be set back
    part("counts").hidden = !work;
    if (!work) return;
    part("counts").replaceChildren(...[`You stated: ${stated.words(rights)}`, `You offer on the chain: ${offer.words()}`, work.counts ? "On the chain the offer counts." : "An earlier statement about the same file turned up: what you stated counts."]
      .map((textContent) => Object.assign(document.createElement("span"), { textContent })));
    await showWork(Date.parse(work.made_at ?? history[0].stated_at));
  } catch (problem) {
    trouble(problem);
  }
}

async function showWork(since) {
  await Promise.all([
    review.show(BASE, (evidence) => order(ID, "appeal", { evidence }, "Writing your answer to the chain…", "Your answer is on the chain.")),
    wallet.show(work, act, () => order(ID, "moves", {}, "Moving it…", "The work is in your wallet.")),
    earned.show(BASE, work, since, (id, body) => order(id, "claims", body, "Paying out…", "Paid out to the work’s owner.")),
    origin.show(BASE, work, (body) => order(ID, "derivation", body, "Writing it to the chain…", "It stands on the chain what it was made from.")),
  ]);
}

async function picture() {
  const bytes = await api.blob(`${BASE}/thumbnail`);
  part("picture").src = URL.createObjectURL(bytes);
  part("picture").hidden = false;
}

function show() {
  part("stands").hidden = part("revenue").hidden = !work;
  part("offer-title").textContent = work ? "Offer it under other terms" : "Offer it";
  part("send").textContent = work ? "Change the offer" : "Offer it";
  if (!work) return;
  const { terms, price, free_uses: free } = work;
  const cost = `with a licence for ${amount(price.amount, price.currency)}`;
  const how = (use, covered) => (free.includes(use) ? "yes, free" : covered && price.amount !== "0" ? `yes, ${cost}` : "no");
  const told = [
    `Train AI on it: ${how("ai-training", terms.ai_training === "paid")}`,
    `Use it, also for money: ${how("commercial", terms.commercial)}`,
    `Make new works from it: ${how("derivatives", terms.derivatives)}`,
    ...(terms.share ? [`Of what those earn, you get ${terms.share / 10_000} %`] : []),
    ...(terms.duration ? [`A licence lasts ${Number((terms.duration / 86_400).toFixed(2))} days`] : []),
    ...(work.chain.local ? ["The chain is this service’s own and its coin is play money: a rehearsal, no income"] : []),
  ];
  part("may").replaceChildren(...told.map(line));
  part("public").href = `/a/${encodeURIComponent(ID)}`;
  part("chain").textContent = chainName(work.chain);
  part("token").textContent = work.token;
  part("owner").textContent = work.owner;
}

const line = (text) => Object.assign(document.createElement("li"), { textContent: text });

const order = (id, what, body, doing, done, method = "POST") => act(doing, async () => {
  const options = { method, body: JSON.stringify(body), headers: { "Content-Type": "application/json", Prefer: "wait=20" } };
  await finished(await (await api.get(`${pathOf(id)}/${what}`, options)).json());
}, done);

/** Run a step that changes something, and say how it ended. */
async function act(doing, step, done) {
  say(doing);
  part("trouble").hidden = true;
  for (const button of document.querySelectorAll("#work button")) button.disabled = true;
  try {
    await step();
    say(done, "good");
    await load();
  } catch (problem) {
    part("state").hidden = true;
    trouble(problem);
  } finally {
    for (const button of document.querySelectorAll("#work button")) button.disabled = false;
    offer.update();
    part("origin").onchange?.();
  }
}

/** The order when it is done; raises what it was refused with. */
async function finished(given) {
  let told = given;
  const end = Date.now() + WAIT_MS;
  while (told.state === "open" && Date.now() < end) {
    await new Promise((resolve) => { setTimeout(resolve, 500); });
    told = await api.capture(told.links.self);
  }
  if (told.state !== "done") {
    throw Object.assign(new Error(), { status: 409, title: told.state === "open" ? "It is not done yet" : "The contract refused it",
      detail: told.problem ?? "The chain takes longer than usual.", next: told.state === "open" ? "It goes on by itself. Look again later." : "" });
  }
}

function say(text, kind = "") {
  part("state").className = `note ${kind}`;
  part("state").textContent = text;
  part("state").hidden = false;
}

function trouble(problem) {
  if (problem.status === 401) return keyform.ask(problem, load);
  const { title, detail, next } = explain(problem);
  part("trouble").textContent = [title, detail, next].filter(Boolean).map((text) => text.replace(/\.?$/, ".")).join(" ");
  part("trouble").hidden = false;
}

offer.install((terms) => {
  const made = [{ terms }, "Writing the offer to the chain…", "The offer stands."];
  if (work) order(ID, "terms", ...made, "PUT");
  else order(ID, "asset", ...made);
});
keyform.install((hasKey) => { part("key-form").hidden = hasKey; if (!hasKey) part("work").hidden = true; });
if (!part("work").hidden || part("key-form").hidden) load();
