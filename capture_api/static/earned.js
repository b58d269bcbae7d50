// What a work earned: in each currency, over time, and what waits for it in works that were made from it.

import * as api from "./api.js";
import { amount, coins } from "./money.js";
import { draw } from "./plot.js";

const part = (id) => document.getElementById(id);

/** Show it. `claim(captureId, body)` pays out what a work earned; `since`: when the work was made. */
export async function show(base, { asset }, since, claim) {
  const told = await api.capture(`${base}/revenue`);
  const id = part("work").dataset.capture;
  const some = told.currencies.filter(({ received }) => received !== "0");
  const others = (told.from_derivatives ?? []).flatMap((each) => each.currencies.map((one) => ({ ...each, ...one })))
    .filter(({ claimable }) => claimable !== "0");
  part("earned").textContent = some.length
    ? `Earned so far: ${some.map(({ received, currency }) => amount(received, currency)).join("; ")}.`
    : others.length ? "Nobody took a licence of the photo itself yet." : "It earned nothing yet.";
  part("plots").replaceChildren(...some.map((each) => plot(each, told.payments, since)).filter(Boolean));
  const waits = some.map(({ claimable, currency }) => ({ waiting: claimable[asset] ?? "0", currency })).filter(({ waiting }) => waiting !== "0");
  part("waiting").replaceChildren(...waits.map(({ waiting, currency }) => row(
    `${amount(waiting, currency)} wait for you`, "Pay out what waits", () => claim(id, { currency }))));
  part("derived").hidden = !others.length;
  part("derived-list").replaceChildren(...others.map(({ id: other, title, share_ppm: share, currency, claimable }) => row(
    `${title ?? "A work"}: ${amount(claimable, currency)} wait for you${share ? `, your ${share / 10_000} % of what it earns` : ""}.`,
    "Pay out", () => claim(other, { beneficiary: id, currency }), title ? `/a/${encodeURIComponent(other)}` : "")));
}

function row(words, label, pay, page = "") {
  const item = document.createElement("li");
  const text = Object.assign(document.createElement("p"), { textContent: `${words} ` });
  if (page) text.append(Object.assign(document.createElement("a"), { href: page, textContent: "Look at it" }));
  const button = Object.assign(document.createElement("button"), { type: "button", className: "primary", textContent: label, onclick: pay });
  item.append(text, button);
  return item;
}

function plot({ currency, received }, payments, since) {
  const mine = (payments ?? []).filter((each) => each.currency === currency);
  if (!mine.length) return null;
  const value = (digits) => Number(currency ? digits : coins(digits));
  const figure = document.createElement("figure");
  const picture = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const unlisted = BigInt(received) - mine.reduce((sum, each) => sum + BigInt(each.amount), 0n); // the newest are listed
  const words = draw(picture, {
    since, until: Date.now(), before: value(String(unlisted > 0n ? unlisted : 0n)),
    payments: mine.map(({ at, amount: each }) => [Date.parse(at), value(each)]), total: amount(received, currency && short(currency)),
  });
  picture.setAttribute("aria-label", `${amount(received, currency)} in all. ${words}`);
  figure.append(picture, Object.assign(document.createElement("figcaption"), { className: "hint", textContent: words }));
  return figure;
}

const short = (address) => `${address.slice(0, 6)}…${address.slice(-4)}`;
