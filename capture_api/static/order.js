// The form: the chosen photos, and what its owner states about it.

import { thumb } from "./store.js";
import { bytes } from "./words.js";

const PLACE = "capture.rights"; // the last answers, so that the next photo needs none
const field = (id) => document.getElementById(id);

/** The form's answers as the API's metadata; empty fields are left out. */
export function metadata() {
  const rights = {
    creator: field("creator").value.trim(),
    credit: field("credit").value.trim(),
    licence: field("licence").value,
    ai_training: document.querySelector("input[name=ai]:checked").value,
  };
  return {
    rights: Object.fromEntries(Object.entries(rights).filter(([, value]) => value)),
    keep_location: field("keep-location").checked,
    published: field("published").checked,
  };
}

/** Keep the stated rights for the next photo. The location switch is asked anew each time. */
export function remember() {
  try {
    localStorage.setItem(PLACE, JSON.stringify(metadata().rights));
  } catch { /* a private window: the answers last as long as the page */ }
}

/** Forget the stated rights. */
export function forget() {
  try {
    localStorage.removeItem(PLACE);
  } catch { /* nothing was kept */ }
  recall();
}

/** Fill in the rights that were stated last. */
export function recall() {
  let rights = {};
  try {
    rights = JSON.parse(localStorage.getItem(PLACE)) ?? {};
  } catch { /* nothing was kept */ }
  field("creator").value = rights.creator ?? "";
  field("credit").value = rights.credit ?? "";
  const licences = [...field("licence").options];
  const licence = licences.find((option) => option.value === rights.licence) ?? licences.find((option) => option.value === "all-rights-reserved");
  if (licence) licence.selected = true;
  const ai = document.querySelector(`input[name=ai][value="${CSS.escape(rights.ai_training ?? "not_allowed")}"]`);
  if (ai) ai.checked = true;
  explain();
}

/** What the chosen licence means, in a sentence: a phone cuts what stands in the list. */
export function explain() {
  field("licence-means").textContent = field("licence").selectedOptions[0]?.dataset.means ?? "";
}

/** Fill in what was stated before, so that it can be changed. */
export function fill({ rights, keep_location: keepLocation, published }) {
  field("creator").value = rights.creator ?? "";
  field("credit").value = rights.credit ?? "";
  field("keep-location").checked = keepLocation;
  field("published").checked = published;
  explain();
}

let listed = ""; // the ids that are shown

/** Show the chosen photos. `onRemove(id)` takes one away. */
export function list(items, onRemove) {
  const ids = items.map(({ id }) => id).join();
  if (ids === listed) return;
  if (!listed) field("keep-location").checked = false; // asked anew each time
  listed = ids;
  for (const image of field("chosen").querySelectorAll("img")) URL.revokeObjectURL(image.src);
  field("chosen").replaceChildren(...items.map((item) => entry(item, onRemove)));
  field("chosen").classList.toggle("several", items.length > 1);
}

function entry({ id, name, size }, onRemove) {
  const shown = field("draft").content.firstElementChild.cloneNode(true);
  const part = (selector) => shown.querySelector(selector);
  part(".file-name").textContent = name;
  part(".file-size").textContent = bytes(size);
  part(".away").setAttribute("aria-label", `Leave out ${name}`);
  part(".away").onclick = () => onRemove(id);
  thumb(id).then((picture) => {
    part(".no-preview").hidden = Boolean(picture);
    part("img").hidden = !picture;
    if (picture) part("img").src = URL.createObjectURL(picture);
  });
  return shown;
}
