// What became of a registered photo, on its card: its facts as they come, and what can be done with it.

import { blob, get } from "./api.js";
import { matchItems } from "./evidence.js";
import { factsOf, follow, leave } from "./follow.js";
import { STEPS, describe, sentence } from "./facts.js";
import { announce, save } from "./page.js";
import { explain } from "./problem.js";
import { shareable } from "./share.js";
import * as undeclared from "./undeclared.js";
import { after, time } from "./words.js";

/** The facts of `capture` in `article`. `picture(address)` shows another picture in its head; `onEnd(capture)`: it is finished. */
export class Photo {
  constructor(article, capture, { name, picture, onCapture, onEnd, onErased }) {
    Object.assign(this, { article, capture, picture, onCapture, onEnd, onErased, name });
    this.facts = new Map();
    this.part = (selector) => article.querySelector(selector);
    this.lines = new Map(STEPS.map((step) => [step.name, this.#line(step)]));
    this.part(".facts").replaceChildren(...this.lines.values());
    this.part(".after").hidden = false;
    this.#buttons();
    this.take(capture);
  }

  /** Take what is known of the capture by now. */
  take(capture) {
    this.capture = capture;
    if (capture.created_at) this.part(".which").textContent = [this.name, time(capture.created_at)].filter(Boolean).join(" · ");
    const isNews = this.facts.size > 0;
    factsOf(capture, (fact) => this.add(fact, { quietly: !isNews }));
    this.#visible();
    this.#device(capture.device);
    undeclared.show(this.article, capture, (problem) => this.#say(problem), (now) => this.take(now));
    this.#state();
  }

  /** Hear of it until it is finished. */
  follow() {
    follow(this.capture.id, {
      onFact: (fact) => this.add(fact),
      onCapture: (capture) => { this.take(capture); this.onCapture(capture); },
      onEnd: (capture) => { this.take(capture); this.#quiet(null); this.onEnd(capture); },
      onQuiet: (problem) => this.#quiet(problem),
      onGone: (problem) => (problem.status === 410 ? this.erased() : this.#quiet(problem)),
    });
  }

  /** The card is taken away. */
  leave() {
    leave(this.capture.id);
  }

  get finished() {
    return this.facts.has("anchor") || this.facts.has("rejection");
  }

  /** Take a fact; no change when it is here already. */
  add({ name, at_ms: at, value }, { quietly = false } = {}) {
    if (this.facts.has(name)) return;
    this.facts.set(name, value);
    if (name === "rejection") this.#refused(value);
    else this.#write(name, at, value, quietly);
    if (name === "manifest") this.#thumbnail();
    this.#state();
    if (name === "anchor" && !quietly) announce(`${this.name}: registered and anchored.`);
  }

  /** Say that this owner had registered these bytes before. */
  already() {
    const note = this.part(".already");
    if (!note.hidden || !this.capture.created_at) return;
    note.textContent = `You registered this photo already, on ${time(this.capture.created_at)}. Nothing was added or changed: the rights you stated then still stand.`;
    note.classList.add("good");
    note.hidden = false;
    announce(note.textContent);
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
    // Of many photos at once only the ends are said aloud: nobody can listen to eight sentences of each.
    if (!quietly && this.part(".steps").open) announce(`${line.querySelector(".name").textContent}. ${text}`);
  }

  #state() {
    const waiting = [...this.lines.values()].filter((line) => line.classList.contains("waiting"));
    this.lines.forEach((line) => line.classList.toggle("next", line === waiting[0] && !this.finished));
    const words = this.facts.has("rejection") ? "Refused"
      : this.capture.held_for ? "Waiting for your answer"
      : this.facts.has("anchor") ? "Registered and anchored"
      : this.facts.has("inclusion") ? "Registered, waiting for the chain"
      : `Received, step ${STEPS.length - waiting.length} of ${STEPS.length}`;
    this.part(".state").textContent = words;
    this.article.dataset.status = this.facts.has("rejection") ? "rejected" : this.facts.has("anchor") ? "anchored" : "open";
    this.part(".local").hidden = !this.facts.get("anchor")?.local;
    this.part(".work-link").hidden = !this.facts.has("inclusion");
    if (this.facts.has("inclusion")) this.part(".work-link").href = `/work/${encodeURIComponent(this.capture.id)}`;
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
    for (const selector of [".page", ".work-link", ".private", ".receipt", ".signed", ".links", ".keep"]) this.part(selector).hidden = true;
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
    return this.capture.links?.[name] ?? `/v1/captures/${this.capture.id}/${name}`;
  }

  #visible() {
    if (this.facts.has("rejection")) return;
    const isPublic = this.capture.published ?? Boolean(this.capture.links?.public);
    this.part(".page").hidden = this.part(".links").hidden = !isPublic;
    this.part(".private").hidden = isPublic || !this.capture.links;
  }

  #buttons() {
    const { id } = this.capture;
    const address = new URL(`/a/${encodeURIComponent(id)}`, location.origin).href;
    this.part(".page").href = address;
    shareable(this.article, address);
    this.part(".receipt").onclick = () => this.#save("receipt", `receipt-${id}.json`);
    const whole = () => this.facts.get("manifest")?.location === "withheld"; // then there is no public file
    this.part(".signed").onclick = () => this.#save(whole() ? "signed" : "file", null);
    this.part(".erase-now").onclick = () => this.#erase();
  }

  async #erase() {
    const button = this.part(".erase-now");
    button.disabled = true;
    try {
      await get(`/v1/captures/${this.capture.id}`, { method: "DELETE" });
      this.erased();
    } catch (problem) {
      if (problem.status === 410) return this.erased();
      button.disabled = false;
      this.#say(problem);
    }
  }

  /** Nothing of it is left. */
  erased() {
    for (const part of this.article.querySelectorAll(".after, .thumb, .local, .already, .page, .work-link, .private, .refusal, .quiet-line")) part.hidden = true;
    this.part(".thumb").removeAttribute("src");
    this.part(".state").textContent = "Erased";
    this.article.dataset.status = "erased";
    this.article.focus();
    announce("The photo is erased.");
    this.onErased();
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
