// One photo of the queue as a card: where it is on its way, why it stopped, and once it has arrived, its facts.

import { announce } from "./page.js";
import { Photo } from "./photo.js";
import { explain } from "./problem.js";
import * as queue from "./queue.js";
import * as store from "./store.js";
import { bytes } from "./words.js";

const SURE_MS = 6000; // how long "really?" stands

export class Card {
  /** `onEdit(id)`: its details are to be changed. */
  constructor(item, onEdit) {
    this.id = item.id;
    this.article = document.getElementById("photo").content.firstElementChild.cloneNode(true);
    this.part = (selector) => this.article.querySelector(selector);
    this.article.setAttribute("aria-label", `Photo ${item.name}`);
    this.part(".which").textContent = `${item.name} · ${bytes(item.size)}`;
    this.#buttons(onEdit);
    this.#thumb();
    this.update(item);
  }

  /** Show the item as it is now. */
  update(item) {
    const before = this.item;
    this.item = item;
    if (item.captureId) return this.#arrived(before);
    this.part(".state").textContent = words(item);
    this.article.dataset.status = item.state;
    this.#progress(item);
    this.#reason(item);
    this.#controls(item);
    if (item.state === "failed" && before && before.state !== "failed") announce(`${item.name} was not sent.`);
  }

  /** Open or close what happened. */
  fold(closed) {
    this.part(".steps").open = !closed;
  }

  /** Take the card away. */
  remove() {
    this.photo?.leave();
    this.article.remove();
    URL.revokeObjectURL(this.part(".thumb").src);
  }

  picture(address) {
    const image = this.part(".thumb");
    const before = image.src;
    image.onload = () => {
      image.hidden = false;
      if (before) URL.revokeObjectURL(before);
    };
    image.src = address;
  }

  #arrived(before) {
    if (this.photo) return;
    for (const selector of [".sent-bar", ".sent", ".reason", ".controls"]) this.part(selector).hidden = true;
    this.part(".take-off").hidden = false;
    const { id, item: { captureId, capture, name, state, known } } = this;
    const told = {
      name,
      picture: (address) => this.picture(address),
      onCapture: (now) => { queue.heard(id, now); if (known) this.photo.already(); },
      onEnd: (now) => { queue.finished(id, now); if (known && before) this.photo.already(); },
      onErased: () => queue.remove(id, { quietly: true }),
    };
    this.photo = new Photo(this.article, capture ?? { id: captureId }, told);
    if (state !== "done") this.photo.follow();
  }

  #progress({ state, offset, size }) {
    const percent = size ? Math.floor((100 * offset) / size) : 0;
    const isMoving = state === "sending" || (offset > 0 && ["waiting", "paused"].includes(state));
    this.part(".sent-bar").hidden = this.part(".sent").hidden = !isMoving;
    this.part(".sent-bar").value = percent;
    this.part(".sent").textContent = `${bytes(offset)} of ${bytes(size)}`;
  }

  #reason({ state, problem }) {
    const note = this.part(".reason");
    // A network that is away is said once, above all cards.
    const isHidden = !problem || !(state === "failed" || (state === "waiting" && problem.status));
    const { title, detail, next } = problem ? explain(problem) : {};
    const said = [title, detail, state === "waiting" ? "It is tried again by itself; trying again is safe, no photo is registered twice." : next];
    if (!isHidden) [".title", ".detail", ".next"].forEach((selector, at) => { this.part(selector).textContent = said[at]; });
    note.classList.toggle("bad", state === "failed");
    note.classList.toggle("warn", state === "waiting");
    // Only what needs the person interrupts a screen reader.
    if (state === "failed") note.setAttribute("role", "alert");
    else note.removeAttribute("role");
    note.hidden = isHidden;
  }

  #controls({ state, problem }) {
    const { retry } = problem ? explain(problem) : {};
    const shown = {
      ".pause": ["waiting", "checking", "sending"].includes(state),
      ".resume": state === "paused",
      ".retry": (state === "failed" && retry) || (state === "waiting" && Boolean(problem?.status)),
      ".edit": state === "failed" && problem?.status === 422,
      ".drop": ["waiting", "paused", "failed"].includes(state),
    };
    for (const [selector, isShown] of Object.entries(shown)) this.part(selector).hidden = !isShown;
    this.part(".retry span").textContent = problem?.type === "erased" ? "Register it again" : "Try again";
    this.part(".controls").hidden = false;
  }

  #buttons(onEdit) {
    const { id } = this;
    this.part(".pause").onclick = () => { queue.pause(id); announce("Paused."); };
    this.part(".resume").onclick = () => queue.resume(id);
    this.part(".retry").onclick = () => queue.resume(id, { insist: this.item.problem?.type === "erased" });
    this.part(".edit").onclick = () => onEdit(id);
    this.part(".drop").onclick = () => this.#sure(this.part(".drop span"), "Delete it for good?");
    this.part(".take-off").onclick = () => queue.remove(id);
  }

  /** What was not sent exists here only, perhaps: it goes with a second press. */
  #sure(said, question) {
    if (said.dataset.before) return queue.remove(this.id);
    said.dataset.before = said.textContent;
    said.textContent = question;
    announce(`${question} Press again to delete it.`);
    setTimeout(() => { said.textContent = said.dataset.before; delete said.dataset.before; }, SURE_MS);
  }

  async #thumb() {
    const picture = await store.thumb(this.id).catch(() => null);
    if (picture && !this.part(".thumb").src) this.picture(URL.createObjectURL(picture));
  }
}

function words({ state, offset, size, problem }) {
  const percent = `${size ? Math.floor((100 * offset) / size) : 0} %`;
  const isAway = !navigator.onLine || problem?.status === 0;
  return {
    waiting: isAway ? "Waiting for the network" : problem ? "Waiting to try again" : "Waiting to be sent",
    checking: "Asking whether it is known…",
    sending: offset >= size ? "Sent. Waiting for the answer…" : `Sending… ${percent}`,
    paused: offset ? `Paused at ${percent}` : "Paused",
    failed: "Not sent",
  }[state] ?? "";
}
