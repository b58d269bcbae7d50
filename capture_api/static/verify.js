// The check page: key → photo → what registered photos it has to do with.

import { matchItems } from "./evidence.js";
import { describe, sentence } from "./facts.js";
import * as key from "./key.js";
import * as keyForm from "./keyform.js";
import { announce } from "./page.js";
import { Problem, explain } from "./problem.js";
import { Stopped, post } from "./upload.js";
import { bytes, count } from "./words.js";

const part = (id) => document.getElementById(id);
const maxUploadBytes = Number(part("chooser").dataset.maxUploadBytes);
let chosen = null; // {file, address}
let sending = null; // AbortController while an upload runs

function step(hasKey) {
  part("key-form").hidden = hasKey;
  part("key-kept").hidden = !hasKey;
  part("chooser").hidden = !hasKey || Boolean(sending);
  part("sending").hidden = !sending;
}

function choose(event) {
  const [file] = event.target.files;
  event.target.value = ""; // the same file may be chosen again
  if (!file) return;
  if (chosen) URL.revokeObjectURL(chosen.address);
  chosen = { file, address: URL.createObjectURL(file) };
  part("answer").hidden = true;
  if (file.size > maxUploadBytes) trouble(new Problem(413, { detail: `It has ${bytes(file.size)}; the most is ${bytes(maxUploadBytes)}.` }));
  else check();
}

async function check() {
  const { file, address } = chosen;
  const form = new FormData();
  form.append("file", file, file.name || "photo");
  sending = new AbortController();
  part("trouble").hidden = true;
  part("file-name").textContent = file.name;
  progress(0, file.size);
  step(true);
  part("stop").focus();
  announce("Sending the photo.");
  try {
    const { body } = await post("/v1/verify", form, progress, sending.signal);
    answer(body, address);
  } catch (error) {
    refused(error);
  } finally {
    sending = null;
    step(Boolean(key.current()));
  }
}

function progress(sent, all) {
  const percent = all ? Math.floor((100 * sent) / all) : 0;
  part("bar").value = percent;
  part("sending-words").textContent = sent >= all && all > 0 ? "Sent. Comparing…" : `Sending… ${percent} %`;
}

async function answer({ verdict, matches, compared_with: others, note, credentials, dimensions }, address) {
  document.body.dataset.step = "photos"; // a phone's screen is too small for the introduction beside the answer
  const found = `${count(matches.length, "registered photo")} ${matches.length === 1 ? "has" : "have"} to do with it`;
  part("verdict").textContent = matches.length ? found : "No registered photo was found in it";
  part("compared").textContent = others ? `Compared with ${count(others, "registered photo")}.` : "No photo is registered here yet.";
  part("note").textContent = sentence(note);
  part("credentials").textContent = describe("credentials", credentials).text;
  const own = await size(address);
  const items = matchItems(matches, own ? address : "", dimensions ?? own);
  part("answer").querySelector(".matches").replaceChildren(...items);
  part("answer").dataset.verdict = verdict;
  part("answer").hidden = false;
  part("answer").focus();
  announce(part("verdict").textContent);
}

/** The picture's {width, height} as this browser shows it, after the EXIF turn; null when it cannot show it. */
async function size(address) {
  const image = Object.assign(new Image(), { src: address });
  await image.decode().catch(() => {});
  return image.naturalWidth ? { width: image.naturalWidth, height: image.naturalHeight } : null;
}

function refused(error) {
  if (error instanceof Stopped) return announce("Stopped.");
  if (!(error instanceof Problem)) throw error;
  if (error.status === 401) return keyForm.ask(error, check);
  trouble(error);
}

function trouble(problem) {
  const { title, detail, next, retry } = explain(problem);
  part("trouble-title").textContent = title;
  part("trouble-detail").textContent = detail;
  part("trouble-next").textContent = next;
  part("retry").hidden = !retry;
  part("trouble").hidden = false;
  part("trouble").focus();
}

part("gallery").addEventListener("change", choose);
part("retry").addEventListener("click", check);
part("stop").addEventListener("click", () => sending?.abort());
part("forget").addEventListener("click", () => { part("answer").hidden = true; keyForm.ask(null, null); });
keyForm.install(step);
