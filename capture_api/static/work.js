// The owner's page of a work: offer it, see what it earned, have it paid out. What takes a transaction is an order.

import * as api from "./api.js";
import * as keyform from "./keyform.js";
import { draw } from "./plot.js";
import { explain } from "./problem.js";
import * as stated from "./stated.js";
import * as wallet from "./wallet.js";

const part = (id) => document.getElementById(id);
const ID = part("work").dataset.capture;
const BASE = `/v1/captures/${encodeURIComponent(ID)}`;
const DECIMALS = 18; // of every EVM chain's own coin
const WAIT_MS = 120_000;
let work = null;

/** "0.001" → the smallest unit, as digits. */
export function units(text) {
  const [whole, rest = ""] = text.trim().replace(",", ".").split(".");
  return (BigInt(whole || "0") * 10n ** BigInt(DECIMALS) + BigInt(rest.padEnd(DECIMALS, "0").slice(0, DECIMALS) || "0")).toString();
}

/** The smallest unit → "0.001". */
export function coins(digits) {
  const text = String(digits).padStart(DECIMALS + 1, "0");
  const rest = text.slice(-DECIMALS).replace(/0+$/, "");
  return text.slice(0, -DECIMALS) + (rest ? `.${rest}` : "");
}

const amount = (digits, currency) => (currency ? `${digits} units of the token ${currency}` : `${coins(digits)} of the chain’s coin`);

async function load() {
  part("trouble").hidden = true;
  try {
    await picture();
    work = await api.capture(`${BASE}/asset`).catch((problem) => {
      if (problem.type !== "no-work") throw problem;
      return null;
    });
    part("work").hidden = false;
    show();
    await stated.show(BASE, Boolean(work), act);
    if (!work) return;
    await revenue();
    await wallet.show(work, act, () => order("POST", "moves", {}, "Moving it…", "The work is in your wallet."));
  } catch (problem) {
    trouble(problem);
  }
}

async function picture() {
  const bytes = await api.blob(`${BASE}/thumbnail`);
  part("picture").src = URL.createObjectURL(bytes);
  part("picture").hidden = false;
}

function show() {
  part("stands").hidden = part("revenue").hidden = part("wallet").hidden = !work;
  part("offer-title").textContent = work ? "Offer it under other terms" : "Offer it";
  part("send").textContent = work ? "Change the offer" : "Offer it";
  if (!work) return;
  const { terms, price, free_uses: free } = work;
  const cost = `with a licence for ${amount(price.amount, price.currency)}`;
  const how = (use, covered) => (free.includes(use) ? "yes, free" : covered ? `yes, ${cost}` : "no");
  const told = [
    `Train AI on it: ${how("ai-training", terms.ai_training === "paid")}`,
    `Use it, also for money: ${how("commercial", terms.commercial)}`,
    `Make new works from it: ${how("derivatives", terms.derivatives)}`,
    ...(terms.share ? [`Of what those earn, you get ${terms.share / 10_000} %`] : []),
    ...(work.chain.local ? ["The chain is this service’s own and its coin is play money: a rehearsal, no income"] : []),
  ];
  part("may").replaceChildren(...told.map(line));
  part("public").href = `/a/${encodeURIComponent(ID)}`;
  part("token").textContent = work.token;
  part("owner").textContent = work.owner;
}

async function revenue() {
  const told = await api.capture(`${BASE}/revenue`);
  const some = told.currencies.filter(({ received }) => received !== "0");
  part("earned").textContent = some.length
    ? `Earned so far: ${some.map(({ received, currency }) => amount(received, currency)).join("; ")}.`
    : "It earned nothing yet.";
  const mine = some.map((each) => ({ ...each, waits: each.claimable[work.asset] })).filter(({ waits }) => waits !== "0");
  part("waiting").replaceChildren(...mine.map(({ waits, currency }) => line(`${amount(waits, currency)} wait for you`)));
  part("claim").hidden = !mine.length;
  part("claim").onclick = () => order("POST", "claims", { currency: mine[0].currency }, "Paying out…", "Paid out to the work’s owner.");
  const payments = (told.payments ?? []).filter(({ currency }) => !currency);
  part("plot").toggleAttribute("hidden", !payments.length); // SVG has no property of this name
  part("plot-words").textContent = draw(part("plot"), payments.map(({ at, amount: each }) => [Date.parse(at), Number(coins(each))]));
}

function line(text) {
  return Object.assign(document.createElement("li"), { textContent: text });
}

function chosen() {
  const { elements } = part("offer");
  const ai = elements.namedItem("ai").value;
  const preset = elements.namedItem("preset").value;
  if (preset === "all-rights-reserved" && ai === "paid") return { preset: "ai-training-paid", fee: units(part("price").value) };
  const terms = { preset, ai_training: ai };
  if (preset.startsWith("commercial")) terms.fee = units(part("price").value);
  if (preset === "commercial-remix") terms.share = Math.round(Number(part("share").value.replace(",", ".")) * 10_000);
  return terms;
}

function parts() {
  const { elements } = part("offer");
  const preset = elements.namedItem("preset").value;
  part("price-part").hidden = !(preset.startsWith("commercial") || elements.namedItem("ai").value === "paid");
  part("share-part").hidden = preset !== "commercial-remix";
  for (const name of ["price", "share"]) part(name).required = !part(`${name}-part`).hidden;
}

const order = (method, what, body, doing, done) => act(doing, async () => {
  const options = { method, body: JSON.stringify(body), headers: { "Content-Type": "application/json", Prefer: "wait=20" } };
  await finished(await (await api.get(`${BASE}/${what}`, options)).json());
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

part("offer").addEventListener("change", parts);
part("offer").addEventListener("submit", (event) => {
  event.preventDefault();
  const terms = chosen();
  const path = work ? ["PUT", "terms"] : ["POST", "asset"];
  order(...path, { terms }, "Writing the offer to the chain…", "The offer stands.");
});
keyform.install((hasKey) => { part("key-form").hidden = hasKey; if (!hasKey) part("work").hidden = true; });
parts();
if (!part("work").hidden || part("key-form").hidden) load();
