// The app page: key → photos → rights → queue → facts.

import { Camera } from "./camera.js";
import { Card } from "./card.js";
import * as device from "./device.js";
import * as follow from "./follow.js";
import * as key from "./key.js";
import * as keyForm from "./keyform.js";
import * as order from "./order.js";
import { announce } from "./page.js";
import { Problem, explain } from "./problem.js";
import * as queue from "./queue.js";
import * as settings from "./settings.js";
import * as store from "./store.js";
import { bytes, count } from "./words.js";

const part = (id) => document.getElementById(id);
const form = part("order");
const maxUploadBytes = Number(form.dataset.maxUploadBytes);
const cards = new Map(); // item id → Card
let items = new Map(); // item id → item, as this page knows them
let place = 0; // photos that were chosen together stay in their order
let keeping = 0; // photos on their way to the shelf

/** What is seen: the key's form, or the ways to a photo, with the form as soon as there is one. */
function show() {
  const hasKey = Boolean(key.current());
  const drafts = draftsNow();
  part("key-form").hidden = hasKey;
  part("chooser").hidden = !hasKey;
  form.hidden = !hasKey || !drafts.length;
  part("key-kept").hidden = !hasKey;
  document.body.dataset.step = !hasKey ? "key" : drafts.length ? "order" : items.size ? "photos" : "start";
  part("register-words").textContent = drafts.length > 1 ? `Register ${count(drafts.length, "photo")}` : "Register";
  part("register").disabled = keeping > 0;
  order.list(drafts, (id) => queue.remove(id));
  summary();
}

const draftsNow = () => [...items.values()].filter(({ state }) => state === "new").sort((a, b) => a.added - b.added || a.place - b.place);

/** What is under way, in a line. */
function summary() {
  const states = [...items.values()].map(({ state }) => state);
  const unsent = states.filter((state) => ["waiting", "checking", "sending"].includes(state)).length;
  const held = unsent + states.filter((state) => state === "paused" || state === "new").length;
  part("queue").hidden = !cards.size;
  const isAway = [...items.values()].some(({ state, problem }) => state === "waiting" && problem?.status === 0);
  part("offline").hidden = navigator.onLine && !isAway;
  part("offline-title").textContent = navigator.onLine ? "The service does not answer." : "You are offline.";
  part("offline-words").textContent = held
    ? `${count(held, "photo is", "photos are")} kept on this device and sent once, when it can be reached. You may close the page.`
    : "Take photos all the same: they are kept on this device and sent later.";
  part("try-now").hidden = !unsent;
  part("pause-all").hidden = unsent < 2;
  part("resume-all").hidden = states.filter((state) => state === "paused").length < 2;
  part("clear").hidden = states.filter((state) => state === "done").length < 2;
}

function changed(id, item) {
  if (item) items.set(id, item);
  else items.delete(id);
  if (!item || item.state === "new") {
    cards.get(id)?.remove();
    cards.delete(id);
  } else if (cards.has(id)) {
    cards.get(id).update(item);
  } else {
    put(item);
  }
  // Progress comes twice a second: only what is counted changes then.
  if (item?.state === "sending" && cards.size === items.size) summary();
  else show();
}

/** A card, the newest photo first. */
function put(item, isFolded = false) {
  const card = new Card(item, edit);
  cards.set(item.id, card);
  const order = [...cards.values()].sort((a, b) => b.item.added - a.item.added || b.item.place - a.item.place);
  part("photos").insertBefore(card.article, order[order.indexOf(card) + 1]?.article ?? null);
  card.fold(isFolded);
}

async function choose(files, camera) {
  part("trouble").hidden = true;
  const before = draftsNow().length;
  keeping += 1;
  for (const file of files) await keepOne(file, camera);
  keeping -= 1;
  show();
  if (!before && draftsNow().length) form.querySelector("h2").focus();
  announce(`${count(draftsNow().length, "photo")} chosen.`);
}

async function keepOne(file, camera) {
  const name = file.name || "photo.jpg";
  const wrong = unfit(file);
  if (wrong) return trouble(name, wrong);
  try {
    place += 1;
    const item = await queue.add(file, { name, place, camera });
    if (item === null) trouble(name, new Problem(409, { title: "It is in the list already", detail: "Nothing was added.", next: "Choose another photo." }));
  } catch (error) {
    const isFull = error?.name === "QuotaExceededError";
    trouble(name, new Problem(507, {
      title: isFull ? "There is no room left on this device" : "This browser keeps nothing",
      detail: isFull ? "The photo was not kept." : `The photo was not kept (${error?.message ?? error}).`,
      next: isFull ? "Make room, or wait until the others are sent." : "Leave the private window, or use another browser.",
    }));
  }
}

function unfit(file) {
  if (file.size > maxUploadBytes) return new Problem(413, { detail: `It has ${bytes(file.size)}; the most is ${bytes(maxUploadBytes)}.` });
  return file.size ? null : new Problem(415, { title: "The file is empty", detail: "It has no bytes." });
}

function trouble(name, problem) {
  const { title, detail, next } = explain(problem);
  part("trouble-title").textContent = `${name}: ${title}`;
  part("trouble-detail").textContent = detail;
  part("trouble-next").textContent = next;
  part("trouble").hidden = false;
}

async function register(event) {
  event.preventDefault();
  const ids = draftsNow().map(({ id }) => id);
  if (!ids.length || keeping) return;
  part("trouble").hidden = true;
  order.remember();
  cards.forEach((card) => card.fold(true));
  await queue.release(ids, order.metadata());
  const shown = cards.get(ids.at(-1));
  if (ids.length > 1) ids.forEach((id) => cards.get(id)?.fold(true));
  shown?.article.focus();
  announce(`${count(ids.length, "photo")} to be sent.`);
}

/** Back into the form, with what was stated. */
async function edit(id) {
  const { metadata } = items.get(id);
  changed(id, await queue.reopen(id));
  if (metadata) order.fill(metadata);
  form.querySelector("h2").focus();
}

async function forget() {
  order.forget();
  for (const { id, captureId } of items.values()) if (captureId) await queue.remove(id); // whose photos they are goes with the key
  await device.forget();
  keyForm.ask(null, null);
}

const goOn = () => { queue.wake().catch(() => {}); follow.again(); };
const keyRefused = (problem) => keyForm.ask(problem, null);
const each = (action, states) => [...items.values()].filter(({ state }) => states.includes(state)).forEach(({ id }) => action(id));

async function begin() {
  keyForm.install(() => { show(); goOn(); }); // first of all: it takes the key out of the address bar
  const kept = await store.items().catch(() => []);
  items = new Map(kept.map((item) => [item.id, item]));
  kept.filter(({ state }) => state !== "new").forEach((item) => put(item, true));
  queue.onChange(changed);
  follow.install(keyRefused);
  show();
  await queue.start(keyRefused).catch(() => {}); // a browser that keeps nothing says so when a photo is chosen
}

for (const [id, camera] of [["camera", true], ["gallery", false]]) {
  part(id).addEventListener("change", ({ target }) => {
    const files = [...target.files];
    target.value = ""; // the same file may be chosen again
    choose(files, camera);
  });
}
new Camera(part("viewfinder"), part("open-camera"), (photo) => choose([photo], true));
form.addEventListener("submit", register);
part("licence").addEventListener("change", order.explain);
part("discard").addEventListener("click", () => { each(queue.remove, ["new"]); part("camera").focus(); });
part("try-now").addEventListener("click", () => queue.wake({ isForced: true }));
part("pause-all").addEventListener("click", () => { each(queue.pause, ["waiting", "checking", "sending"]); announce("All paused."); });
part("resume-all").addEventListener("click", () => each(queue.resume, ["paused"]));
part("clear").addEventListener("click", () => each(queue.remove, ["done"]));
part("forget").addEventListener("click", forget);
for (const name of ["online", "offline"]) addEventListener(name, () => { summary(); cards.forEach((card) => card.update(card.item)); });
order.recall();
settings.install();
begin();
