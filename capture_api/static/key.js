// The API key: it comes in the address after "#key=", or is typed, and is kept in this browser until forgotten.

const PLACE = "capture.key";
let key = ""; // private windows may refuse to keep anything: then it lasts as long as the page

/** The key, or "" when there is none. */
export const current = () => key;

/** Take the key from the address, and out of the address bar; else the one that was kept. */
export function load() {
  const given = /^#key=(.+)$/.exec(location.hash);
  if (given) {
    // Out of the address bar and the history: addresses are shared and photographed.
    history.replaceState(history.state, "", location.pathname + location.search);
    return keep(decode(given[1]));
  }
  key = kept(() => localStorage.getItem(PLACE)) ?? "";
}

/** Keep this key. */
export function keep(text) {
  key = text.trim();
  kept(() => localStorage.setItem(PLACE, key));
}

/** Forget the key. */
export function forget() {
  key = "";
  kept(() => localStorage.removeItem(PLACE));
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function kept(action) {
  try {
    return action();
  } catch {
    return null;
  }
}
