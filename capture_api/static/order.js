// The form: the chosen photo, and what its owner states about it.

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
}

/** Show the chosen file. Returns its address, which the photo's card uses until there is a thumbnail. */
export function preview(file) {
  const image = field("preview");
  const address = URL.createObjectURL(file);
  image.hidden = true;
  field("no-preview").hidden = true;
  image.onload = () => { image.hidden = false; };
  image.onerror = () => { field("no-preview").hidden = false; };
  image.src = address;
  field("file-name").textContent = file.name;
  field("file-size").textContent = bytes(file.size);
  field("keep-location").checked = false;
  return address;
}
