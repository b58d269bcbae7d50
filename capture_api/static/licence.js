// A licence of a published photo: paid from the reader's wallet, or with an embedded chain's play money. Then the photo itself.

import * as ethereum from "./ethereum.js";
import { save } from "./page.js";
import { Problem, explain } from "./problem.js";

const part = (id) => document.getElementById(id);
const SEEN_MS = 60_000, STEP_MS = 1000;

/** Make the controls of the page work, if it sells anything. */
export function install() {
  const box = part("buy");
  if (!box) return;
  box.hidden = false;
  part("by-wallet").hidden = !ethereum.isThere();
  part("no-wallet").hidden = ethereum.isThere();
  part("get-licence").onclick = () => {
    part("ways").hidden = !part("ways").hidden;
    part("get-licence").setAttribute("aria-expanded", String(!part("ways").hidden));
    if (!part("ways").hidden) part("holder")?.focus();
  };
  part("pay").onclick = () => step("Your wallet asks you…", pay);
  part("fetch-copy").onclick = () => step("Your wallet asks you to sign…", fetchCopy);
  part("play")?.addEventListener("submit", (event) => {
    event.preventDefault();
    step("Getting it…", play);
  });
}

async function play() {
  const holder = part("holder").value.trim();
  const body = JSON.stringify({ holder });
  const options = { method: "POST", body, headers: { "Content-Type": "application/json", Prefer: "wait=20" } };
  const order = await until(async () => (await ask(part("buy").dataset.buy, options)).json(), ({ state }) => state === "done");
  return `${holder} has a licence, ${lasts(order.result.until)}. It is number ${order.result.licence}.`;
}

const lasts = (until) => (until ? `until ${new Date(until * 1000).toLocaleDateString(undefined, { dateStyle: "medium" })}` : "for ever");

async function pay() {
  const holder = await ethereum.account();
  const offer = await terms(holder);
  if (offer.status !== 402) return keep(offer);
  const { chain, transaction, approve, terms_id: now } = await offer.json();
  if (now !== part("buy").dataset.terms) {
    throw new Problem(409, { title: "The offer changed", detail: "It is another one than this page shows.", next: "Load the page again and look." });
  }
  await ethereum.use(chain.id);
  if (approve) await ethereum.approve(holder, approve.currency, chain.contract, approve.amount);
  await ethereum.use(chain.id); // the wallet may have been switched while a block was waited for
  await ethereum.send(holder, transaction);
  say("It is paid. Your wallet asks you to sign, for the file…");
  try {
    return await fetchCopy();
  } catch (problem) {
    const { title, detail } = explain(problem);
    throw new Problem(503, { title: `It is paid, but the file did not come: ${title}`, detail, next: "Do not pay again: press “I hold a licence”." });
  }
}

/** The photo, for whom the wallet's owner is: by a signature of the text that the service names. */
async function fetchCopy() {
  const holder = await ethereum.account();
  const offer = await terms(holder);
  if (offer.status !== 402) return keep(offer);
  const time = Math.floor(Date.now() / 1000);
  const text = (await offer.json()).sign.text.replace("HOLDER", holder.toLowerCase()).replace("SECONDS", time);
  const shown = { "Capture-Licence": `holder="${holder}"; time=${time}; signature="${await ethereum.signed(text, holder)}"` };
  // A service may see a block a moment later than the wallet.
  const answer = await until(() => ask(part("buy").dataset.copy, { headers: shown }, [402]), ({ status }) => status !== 402).catch((problem) => {
    if (!problem.isLate) throw problem;
    throw new Problem(402, { title: "This account holds no licence", detail: `The contract knows of none of ${holder}.`,
      next: "Choose another account in your wallet, or get a licence." });
  });
  return keep(answer);
}

async function keep(answer) {
  const photo = await answer.blob();
  save(photo, `${part("buy").dataset.id}.${photo.type.split("/")[1]?.replace("jpeg", "jpg") ?? "photo"}`);
  return "The photo is saved, and may be used as the licence says.";
}

const terms = (holder) => ask(`${part("buy").dataset.copy}&holder=${holder}`, {}, [402]);

/** Fetch; raises Problem unless it succeeds, or the status is one of these. */
async function ask(link, options, fine = []) {
  const { pathname, search } = new URL(link, location.origin);
  const answer = await fetch(pathname + search, { cache: "no-store", ...options }).catch(() => { throw new Problem(0); });
  if (!answer.ok && !fine.includes(answer.status)) throw Problem.parse(answer.status, await answer.text());
  return answer;
}

async function until(get, isDone) {
  for (const end = Date.now() + SEEN_MS; ;) {
    const found = await get();
    if (isDone(found)) return found;
    if (Date.now() > end) {
      throw Object.assign(new Problem(503, { title: "It is not done yet", detail: "The chain takes longer than usual.",
        next: "It goes on by itself. Press the button again later: nothing is paid twice." }), { isLate: true });
    }
    await new Promise((resolve) => { setTimeout(resolve, STEP_MS); });
  }
}

async function step(doing, what) {
  const buttons = part("buy").querySelectorAll("button");
  for (const button of buttons) button.disabled = true;
  part("not-bought").hidden = true;
  say(doing);
  try {
    say(await what(), "good");
  } catch (problem) {
    part("bought").hidden = true;
    const { title, detail, next } = explain(problem);
    part("not-bought").textContent = [title, detail, next].filter(Boolean).map((text) => text.replace(/\.?$/, ".")).join(" ");
    part("not-bought").hidden = false;
  } finally {
    for (const button of buttons) button.disabled = false;
  }
}

function say(text, kind = "") {
  part("bought").className = `note ${kind}`;
  part("bought").textContent = text;
  part("bought").hidden = false;
}
