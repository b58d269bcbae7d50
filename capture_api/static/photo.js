// A registered photo on the page: its facts as they come, and what can be done with it.

import { blob, get } from "./api.js";
import { matchItems } from "./evidence.js";
import { factsOf, follow } from "./follow.js";
import { STEPS, describe, sentence } from "./facts.js";
import { announce, copy, save } from "./page.js";
import { explain } from "./problem.js";
import { after, time } from "./words.js";

/** Show a capture, newest first, and follow it to its end. `preview` is an address of the chosen file, or "". */
export function show({ capture, isNew, fileName, preview, onAnother, onKeyRefused }) {
  const photo = new Photo(capture, { fileName, onAnother });
  fold();
  document.getElementById("photos").prepend(photo.article);
  if (preview) photo.picture(preview);
  if (!isNew) photo.already();
  photo.article.focus();
  photo.follow(onKeyRefused);
}

/** Make the photos on the page small, to leave room for the next. */
export function fold() {
  document.querySelectorAll("article .another").forEach((button) => button.remove());
  document.querySelectorAll("article .steps").forEach((steps) => steps.removeAttribute("open"));
}

class Photo {
  constructor(capture, { fileName, onAnother }) {
    this.capture = capture;
    this.facts = new Map();
    this.article = document.getElementById("photo").content.firstElementChild.cloneNode(true);
    this.part = (selector) => this.article.querySelector(selector);
    this.lines = new Map(STEPS.map((step) => [step.name, this.#line(step)]));
    this.part(".facts").append(...this.lines.values());
    this.part(".which").textContent = [fileName, time(capture.created_at)].filter(Boolean).join(" · ");
    this.article.setAttribute("aria-label", `Photo ${fileName}`);
    this.#buttons(onAnother);
    this.#device(capture.device);
    this.#state();
    factsOf(capture, (fact) => this.add(fact, { quietly: true }));
  }

  async follow(onKeyRefused) {
    if (this.finished) return;
    try {
      await follow(this.capture, (fact) => this.add(fact), (problem) => this.#quiet(problem));
      this.#quiet(null);
    } catch (problem) {
      if (problem.status === 410) return this.#erased();
      this.#quiet(problem);
      if (problem.status === 401) onKeyRefused(problem, () => this.follow(onKeyRefused));
    }
  }

  get finished() {
    return this.facts.has("anchor") || this.facts.has("rejection");
  }

  /** Take a fact; false, and no change, when it is here already. */
  add({ name, at_ms: at, value }, { quietly = false } = {}) {
    if (this.facts.has(name)) return false;
    this.facts.set(name, value);
    if (name === "rejection") this.#refused(value);
    else this.#write(name, at, value, quietly);
    if (name === "manifest") this.#thumbnail();
    this.#state();
    return true;
  }

  /** Say that this owner had registered these bytes before. */
  already() {
    const note = this.part(".already");
    note.textContent = `You registered this photo already, on ${time(this.capture.created_at)}. Nothing was added or changed: the rights you stated then still stand.`;
    note.classList.add("good");
    note.hidden = false;
    announce(note.textContent);
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

  /** Who signed for it, what that proves, and what not. */
  #device(device) {
    this.part(".device").hidden = !device;
    if (device) this.part(".device").textContent = [device.means.proves, device.means.not, ...device.notices.map(sentence)].join(" ");
  }

  #line({ title }) {
    const line = document.getElementById("fact").content.firstElementChild.cloneNode(true);
    line.querySelector(".name").textContent = title;
    return line;
  }

  #write(name, at, value, quietly) {
    const line = this.lines.get(name);
    if (!line) return;
    const { text, attention } = describe(name, value);
    line.classList.remove("waiting", "next");
    line.classList.toggle("attention", attention);
    line.classList.toggle("arriving", !quietly);
    line.querySelector(".at").textContent = at === null ? "" : `· ${after(at)}`;
    line.querySelector(".sentence").textContent = text;
    if (!quietly) announce(`${line.querySelector(".name").textContent}. ${text}`);
  }

  #state() {
    const waiting = [...this.lines.values()].filter((line) => line.classList.contains("waiting"));
    this.lines.forEach((line) => line.classList.toggle("next", line === waiting[0] && !this.finished));
    const words = this.facts.has("rejection") ? "Refused"
      : this.facts.has("anchor") ? "Registered and anchored"
      : this.facts.has("inclusion") ? "Registered, waiting for the chain"
      : `Received, step ${STEPS.length - waiting.length} of ${STEPS.length}`;
    this.part(".state").textContent = words;
    this.article.dataset.status = this.facts.has("rejection") ? "rejected" : this.facts.has("anchor") ? "anchored" : "open";
    this.part(".local").hidden = !this.facts.get("anchor")?.local;
    this.part(".signed").disabled = !this.facts.has("manifest");
    this.part(".receipt").disabled = !this.facts.has("inclusion");
    this.part(".receipt span").textContent = this.facts.has("inclusion") && !this.facts.has("anchor") ? "Receipt (not anchored yet)" : "Receipt";
  }

  #refused({ stage, reason }) {
    const note = this.part(".refusal");
    note.textContent = `${sentence(reason)} It stopped at the step “${stage}”. Your upload is kept; nothing was signed or logged. Choose another photo.`;
    note.hidden = false;
    for (const line of this.lines.values()) if (line.classList.contains("waiting")) line.remove();
    this.#matches("");
    for (const selector of [".page", ".private", ".receipt", ".signed", ".links", ".keep"]) this.part(selector).hidden = true;
  }

  #quiet(problem) {
    const line = this.part(".quiet-line");
    line.hidden = !problem;
    if (!problem) return;
    const { title, detail } = explain(problem);
    line.textContent = problem.status
      ? `${title}. ${detail} Your photo is safe; only this view of it has stopped.`
      : "The connection is lost. Your photo is safe and its registration goes on; this page keeps trying to reach it.";
  }

  async #thumbnail() {
    const picture = await blob(this.#link("thumbnail")).catch(() => null);
    const address = picture ? URL.createObjectURL(picture) : "";
    if (address) this.picture(address);
    this.#matches(address);
  }

  #matches(picture) {
    const matches = this.facts.get("verdict")?.matches ?? [];
    this.part(".found").hidden = !matches.length;
    this.part(".matches").replaceChildren(...matchItems(matches, picture, this.facts.get("fingerprint")?.dimensions));
  }

  // The first answer lists only the links that exist by then.
  #link(name) {
    return this.capture.links[name] ?? `${this.capture.links.self}/${name}`;
  }

  #buttons(onAnother) {
    const { id, links, published } = this.capture;
    const address = new URL(`/a/${encodeURIComponent(id)}`, location.origin).href;
    const isPublic = published ?? Boolean(links.public);
    this.part(".page").href = address;
    this.part(".page").hidden = this.part(".links").hidden = !isPublic;
    this.part(".private").hidden = isPublic;
    this.part(".share").hidden = !navigator.share;
    this.part(".receipt").onclick = () => this.#save("receipt", `receipt-${id}.json`);
    const whole = () => this.facts.get("manifest")?.location === "withheld"; // then there is no public file
    this.part(".signed").onclick = () => this.#save(whole() ? "signed" : "file", null);
    this.part(".copy").onclick = () => copy(address, this.part(".copy span"));
    this.part(".share").onclick = () => navigator.share({ title: "A registered photo", url: address }).catch(() => {});
    this.part(".another").onclick = onAnother;
    this.part(".erase-now").onclick = () => this.#erase();
  }

  async #erase() {
    const button = this.part(".erase-now");
    button.disabled = true;
    try {
      await get(this.capture.links.self, { method: "DELETE" });
      this.#erased();
    } catch (problem) {
      if (problem.status === 410) return this.#erased();
      button.disabled = false;
      this.#say(problem);
    }
  }

  #erased() {
    for (const part of this.article.querySelectorAll(":scope > :not(.head, .actions), .thumb, .local, .actions > :not(.another)")) part.hidden = true;
    this.part(".thumb").removeAttribute("src");
    this.part(".state").textContent = "Erased";
    this.article.dataset.status = "erased";
    this.article.focus();
    announce("The photo is erased.");
  }

  async #save(name, fileName) {
    try {
      const bytes = await blob(this.#link(name));
      const ending = bytes.type.split("/")[1]?.replace("jpeg", "jpg").replace(/^x-|\+.*$/g, "") ?? "bin";
      save(bytes, fileName ?? `signed-${this.capture.id}.${ending}`);
      this.#quiet(null);
    } catch (problem) {
      this.#say(problem);
    }
  }

  #say(problem) {
    const { title, detail, next } = explain(problem);
    this.part(".quiet-line").textContent = `${title}. ${detail} ${next}`;
    this.part(".quiet-line").hidden = false;
  }
}
