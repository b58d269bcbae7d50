// The form of an offer: filled with the terms that stand, and read as the API takes them.

import { amount, coins, units } from "./money.js";

const DAY_S = 86_400;
const part = (id) => document.getElementById(id);
const choice = (name) => part("offer").elements.namedItem(name);
const isFree = (preset) => preset.startsWith("cc");
const isSold = (preset) => preset.startsWith("commercial");
let work = null;
let before = ""; // what the form said when it was filled, as JSON

/** Fill the form: with the work's terms, or before there is a work with what its owner stated. */
export function fill(made, rights) {
  work = made;
  const terms = made?.terms ?? { preset: rights.licence, ai_training: rights.ai_training === "allowed" ? "allowed" : "denied" };
  const preset = terms.preset === "ai-training-paid" ? "all-rights-reserved" : (terms.preset ?? "");
  part("own-terms").hidden = preset !== "";
  choice("preset").value = [...choice("preset")].some(({ value }) => value === preset) ? preset : "all-rights-reserved";
  choice("ai").value = terms.ai_training;
  part("more-presets").open = part("more-presets").contains(part("offer").querySelector("[name=preset]:checked"));
  if (terms.fee && terms.fee !== "0") part("price").value = made.price.currency ? terms.fee : coins(terms.fee);
  else if (made && isSold(preset)) part("price").value = "0";
  if (terms.share) part("share").value = terms.share / 10_000;
  part("duration").value = terms.duration ? Number((terms.duration / DAY_S).toFixed(5)) : "";
  part("transferable").checked = terms.transferable ?? true;
  part("unit").textContent = made?.price.currency ? `(in units of the token ${made.price.currency})` : "(in the chain’s coin)";
  before = JSON.stringify(chosen());
  update();
}

/** The terms that the form says. */
export function chosen() {
  const [ai, preset] = [choice("ai").value, choice("preset").value];
  if (preset === "cc0") return { preset };
  if (preset === "all-rights-reserved" && ai === "paid") return { preset: "ai-training-paid", ...sale() };
  const terms = { preset, ai_training: ai, ...(isSold(preset) ? sale() : {}) };
  if (preset === "commercial-remix") terms.share = Math.round(number("share") * 10_000);
  return terms;
}

function sale() {
  const currency = work?.price.currency ?? null;
  const price = part("price").value;
  return {
    fee: currency ? price.trim() : units(price), currency,
    duration: Math.round(number("duration") * DAY_S), transferable: part("transferable").checked,
  };
}

const number = (id) => Number(part(id).value.replace(",", "."));

/** The offer that stands, in the form's own words, AI first. */
export function words() {
  const { terms, price } = work;
  const ai = { denied: "no", paid: "for money", allowed: "yes, free" }[terms.ai_training];
  const row = [...choice("preset")].find(({ value }) => value === (terms.preset ?? ""));
  const people = row?.closest("label").textContent.trim() ?? "Nothing else.";
  const cost = price.amount === "0" ? "" : ` A licence costs ${amount(price.amount, price.currency)}.`;
  return `May AI be trained on it: ${ai}. ${people.replace(/\.?$/, ".")}${cost}`;
}

/** Show what the choice needs, and let it be sent when it says something new. */
export function update() {
  const preset = choice("preset").value;
  if (preset === "cc0") choice("ai").value = "allowed"; // it has no conditions at all
  else if (isFree(preset) && choice("ai").value === "paid") choice("ai").value = "denied"; // never a yes that nobody said
  const ai = choice("ai").value;
  part("price-part").hidden = !(isSold(preset) || ai === "paid");
  part("share-part").hidden = preset !== "commercial-remix";
  for (const name of ["price", "share"]) part(name).required = !part(`${name}-part`).hidden;
  for (const input of choice("ai")) input.disabled = preset === "cc0" ? input.value !== "allowed" : isFree(preset) && input.value === "paid";
  part("ai-help").hidden = !isFree(preset);
  part("send").disabled = preset === "" || !says();
  part("send-help").hidden = !part("send").disabled;
}

/** Whether the form says something that does not stand yet. */
function says() {
  if (!work) return true;
  try {
    return JSON.stringify(chosen()) !== before;
  } catch {
    return true; // half a number: the browser says so when it is sent
  }
}

/** `send(terms)` when the person wants the offer made. */
export function install(send) {
  for (const kind of ["change", "input"]) part("offer").addEventListener(kind, update);
  part("offer").addEventListener("submit", (event) => {
    event.preventDefault();
    send(chosen());
  });
  update();
}
