// What a work was made from, said on the chain: once, and what the upload named before it can be sold.

import * as api from "./api.js";

const part = (id) => document.getElementById(id);

/** Show the question while it is open. `state(body)` gives the order. */
export async function show(base, work, state) {
  const { parents, undeclared_parents: undeclared = [] } = await api.capture(base);
  const isOpen = work.awaits_parents || (!work.is_derivative && undeclared.length > 0);
  part("origin").hidden = !isOpen;
  if (!isOpen) return;
  const known = new Map((await api.capture(`${base}/family`)).parents.map((parent) => [parent.id, parent]));
  part("origin-title").textContent = work.awaits_parents ? "Say first what it was made from" : "Was it made from these?";
  part("origin-words").textContent = work.awaits_parents
    ? "Until you do, the contract sells no licences of it. Each of these gets the share that its own terms name."
    : "They are seen in it. If it was made from them, say so: of what it earns from then on they get the share that their terms name.";
  part("origin-parents").replaceChildren(...parents.map((named) => parent(named, known.get(named.id), work.owner)));
  const open = undeclared.filter(({ links }) => links.public);
  part("origin-more").hidden = !open.length;
  part("origin-undeclared").replaceChildren(...open.map(choice));
  part("origin-send").textContent = work.awaits_parents ? "Say so on the chain" : "Name the chosen on the chain";
  part("origin").onchange = () => { part("origin-send").disabled = !work.awaits_parents && !ticked().length; };
  part("origin").onchange();
  part("origin").onsubmit = (event) => {
    event.preventDefault();
    state(said());
  };
}

const ticked = () => [...part("origin-undeclared").querySelectorAll(":checked")].map(({ value }) => ({ id: value }));

/** What the upload named, or, with more or with licences, all of it by name. */
function said() {
  const rows = [...part("origin-parents").querySelectorAll("li")];
  const named = rows.map((item) => ({ id: item.dataset.id, licence: item.querySelector("input").value.trim() }));
  const isAsUploaded = rows.every((item, at) => item.dataset.licence === named[at].licence);
  if (isAsUploaded && !ticked().length) return {};
  return { parents: [...named, ...ticked()].map(({ id, licence }) => (licence ? { id, licence } : { id })) };
}

function parent({ id, licence }, found, owner) {
  const title = found?.title ?? id;
  const item = part("origin-parent").content.firstElementChild.cloneNode(true);
  item.dataset.id = id;
  item.dataset.licence = item.querySelector("input").value = licence ?? "";
  item.querySelector("details").open = Boolean(licence);
  item.querySelector("input").ariaLabel = `Your licence of ${title}`;
  item.querySelector(".owner").textContent = owner;
  item.querySelector(".title").textContent = title;
  item.querySelector(".title").removeAttribute("href");
  if (found?.links.public) item.querySelector(".title").href = api.path(found.links.public);
  return item;
}

function choice({ id, means, terms }) {
  const item = document.createElement("li");
  const label = document.createElement("label");
  const box = Object.assign(document.createElement("input"), { type: "checkbox", value: id });
  label.append(box, Object.assign(document.createElement("span"), { textContent: `${terms?.credit || terms?.creator || "No name stated"}: ${means}` }));
  const link = Object.assign(document.createElement("a"), { href: `/a/${encodeURIComponent(id)}`, textContent: "Look at it" });
  item.append(label, link);
  return item;
}
