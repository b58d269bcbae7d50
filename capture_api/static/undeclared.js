// Photos of others that are seen in one's own and that nobody named: what they are, under which terms, and the answer.

import { get, path } from "./api.js";
import { announce } from "./page.js";

const AI = { not_allowed: "not for training AI", ask: "for training AI only if asked", allowed: "also for training AI" };

/** Show them on the card. `say(problem)` when the answer did not arrive; `onAnswer(capture)` when it did. */
export function show(article, capture, say, onAnswer) {
  const found = capture.undeclared_parents ?? [];
  const part = (selector) => article.querySelector(selector);
  const isHeld = Boolean(capture.held_for);
  if (isHeld && part(".undeclared").hidden) announce("Your photo waits for your answer.");
  part(".undeclared").hidden = !found.length;
  if (!found.length) return;
  const open = found.filter(({ links }) => links.public);
  part(".undeclared-title").textContent = found.length === 1
    ? "It shows a photo of somebody else that you did not name."
    : `It shows ${found.length} photos of others that you did not name.`;
  part(".undeclared-words").textContent = isHeld
    ? "It is neither signed nor logged until you answer. Named photos stand in its credentials, and may share in what it earns."
    : capture.undeclared_stand ? "You left it so." : "This is noted with it, for you and for everybody who may see both.";
  part(".undeclared-list").replaceChildren(...found.map(line));
  part(".undeclared-answer").hidden = !isHeld;
  part(".name-them").hidden = !open.length;
  part(".name-them").textContent = open.length < found.length ? "Name those that are public" : "Name them";
  const answer = (wish) => amend(article, capture, wish, say, onAnswer);
  part(".name-them").onclick = () => answer({ parents: [...capture.parents, ...open.map(({ id }) => ({ id }))] });
  part(".let-stand").onclick = () => answer({ undeclared_stand: true });
}

async function amend(article, { id }, wish, say, onAnswer) {
  const buttons = article.querySelectorAll(".undeclared-answer button");
  for (const button of buttons) button.disabled = true;
  try {
    const options = { method: "PATCH", body: JSON.stringify(wish), headers: { "Content-Type": "application/json" } };
    onAnswer(await (await get(`/v1/captures/${id}`, options)).json());
  } catch (problem) {
    say(problem);
  } finally {
    for (const button of buttons) button.disabled = false;
  }
}

function line({ means, terms, links }) {
  const item = document.createElement("li");
  const about = terms ? `${terms.credit || terms.creator || "No name stated"}. ${terms.licence_title}; ${AI[terms.ai_training]}.` : "Its owner keeps it private.";
  item.append(`${means}. ${about} `);
  if (links.public) item.append(Object.assign(document.createElement("a"), { href: path(links.public), textContent: "Look at it" }));
  return item;
}
