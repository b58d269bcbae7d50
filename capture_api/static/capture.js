// The capture page: key → photo → rights → upload → facts.

import * as key from "./key.js";
import * as keyForm from "./keyform.js";
import * as order from "./order.js";
import { announce } from "./page.js";
import { fold, show as showPhoto } from "./photo.js";
import { Problem, explain } from "./problem.js";
import { Stopped, upload } from "./upload.js";
import { bytes } from "./words.js";

const part = (id) => document.getElementById(id);
const form = part("order");
const maxUploadBytes = Number(form.dataset.maxUploadBytes);
let chosen = null; // {file, address}
let sending = null; // AbortController while an upload runs

/** Exactly one of the three is seen: "key-form", "chooser", "order", or none while a photo is followed. */
function step(name) {
  for (const id of ["key-form", "chooser", "order"]) part(id).hidden = id !== name;
  document.body.dataset.step = name ?? "photos"; // a phone's screen is too small for the introduction beside the work
  part("key-kept").hidden = !key.current();
  part(name)?.querySelector("h2")?.focus();
}

function forget() {
  order.forget();
  leave();
  keyForm.ask(null, null);
}

function choose(event) {
  const [file] = event.target.files;
  event.target.value = ""; // the same file may be chosen again
  if (!file) return;
  leave();
  chosen = { file, address: order.preview(file) };
  part("trouble").hidden = true;
  part("register").hidden = false;
  step("order");
  if (file.size > maxUploadBytes) trouble(new Problem(413, { detail: `It has ${bytes(file.size)}; the most is ${bytes(maxUploadBytes)}.` }));
  else if (!file.size) trouble(new Problem(415, { title: "The file is empty", detail: "It has no bytes." }));
}

async function register(event) {
  event?.preventDefault();
  if (sending || !chosen) return;
  const metadata = order.metadata();
  order.remember();
  sending = new AbortController();
  busy(true);
  try {
    const answer = await upload(chosen.file, metadata, progress, sending.signal);
    registered(answer);
  } catch (error) {
    refused(error);
  } finally {
    sending = null;
    busy(false);
  }
}

function registered(answer) {
  const { file, address } = chosen;
  chosen = null;
  step(null);
  showPhoto({ ...answer, fileName: file.name, preview: address, onAnother: another, onKeyRefused: keyForm.ask });
}

function refused(error) {
  if (error instanceof Stopped) return announce("Stopped. Nothing was registered.");
  if (!(error instanceof Problem)) throw error;
  if (error.status === 401) return keyForm.ask(error, register);
  trouble(error);
}

function trouble(problem) {
  const { title, detail, next, retry } = explain(problem);
  part("trouble-title").textContent = title;
  part("trouble-detail").textContent = detail;
  part("trouble-next").textContent = next;
  part("retry").hidden = !retry;
  // The same file would be refused again; changed details (422) may be taken.
  part("register").hidden = retry || [413, 415].includes(problem.status);
  part("trouble").hidden = false;
  part("trouble").focus();
}

function busy(on) {
  part("sending").hidden = !on;
  part("buttons").hidden = on;
  part("stop").hidden = false;
  form.setAttribute("aria-busy", String(on));
  for (const input of form.querySelectorAll("input, select")) input.disabled = on;
  if (!on) return;
  part("trouble").hidden = true;
  part("register").hidden = false;
  progress(0, chosen.file.size);
  part("stop").focus();
  announce("Sending the photo.");
}

function progress(sent, all) {
  const percent = all ? Math.floor((100 * sent) / all) : 0;
  const whole = sent >= all && all > 0;
  part("bar").value = percent;
  part("sending-words").textContent = whole ? "Sent. Waiting for the answer…" : `Sending… ${percent} %`;
  part("sent").textContent = `${bytes(sent)} of ${bytes(all)}`;
  part("stop").hidden = whole; // from here on it may be registered: stopping would not tell
}

function leave() {
  if (chosen) URL.revokeObjectURL(chosen.address);
  chosen = null;
}

function another() {
  step("chooser");
  fold();
  part("chooser").scrollIntoView({ block: "center" });
  part("camera").focus();
}

part("camera").addEventListener("change", choose);
part("gallery").addEventListener("change", choose);
form.addEventListener("submit", register);
part("retry").addEventListener("click", register);
part("stop").addEventListener("click", () => sending?.abort());
part("cancel").addEventListener("click", () => { leave(); another(); });
part("forget").addEventListener("click", () => { forget(); });
order.recall();
keyForm.install((hasKey) => step(!hasKey ? "key-form" : chosen ? "order" : "chooser"));
