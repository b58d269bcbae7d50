// The form that asks for the key, on every page that needs one.

import * as key from "./key.js";
import { explain, isThisComputer } from "./problem.js";

const part = (id) => document.getElementById(id);
let afterKey = null; // what waits for a new key
let show = null; // the page's own: called with whether there is a key

/** Take the key from the address or from where it is kept, and show the page with or without it. */
export function install(onShow) {
  show = onShow;
  // Where the file lies is said on the computer that has it, and to no stranger.
  part("key-here").hidden = !isThisComputer;
  part("key-elsewhere").hidden = isThisComputer;
  part("key-form").addEventListener("submit", (event) => { event.preventDefault(); key.keep(part("key").value); use(); });
  addEventListener("hashchange", () => { key.load(); use(); }); // a link with a key, opened where the page is open
  key.load();
  show(Boolean(key.current()));
}

/** Ask for another key, because of this problem if there is one; `then` runs when it is there. */
export function ask(problem, then) {
  afterKey = then;
  key.forget();
  part("key").value = "";
  part("key-trouble").hidden = !problem;
  if (problem) {
    const { title, detail, next } = explain(problem);
    part("key-trouble").textContent = [title, detail, next].filter(Boolean).map((text) => text.replace(/\.?$/, ".")).join(" ");
  }
  show(false);
  part("key").focus();
}

function use() {
  if (!key.current()) return;
  part("key").value = "";
  part("key-trouble").hidden = true;
  show(true);
  const then = afterKey;
  afterKey = null;
  then?.();
}
