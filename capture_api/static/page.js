// What several parts of the page need from the browser.

/** Say it to those who listen instead of look. */
export function announce(text) {
  const line = document.getElementById("spoken");
  // Facts come faster than they can be read aloud: those of the last second are said together.
  if (performance.now() - (announce.at ?? -Infinity) > 1000) line.textContent = "";
  announce.at = performance.now();
  line.append(`${text} `);
}

/** Save bytes as a file. */
export function save(bytes, name) {
  const address = URL.createObjectURL(bytes);
  const link = Object.assign(document.createElement("a"), { href: address, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

/** Copy text, and say so in `place` for a moment. */
export async function copy(text, place) {
  const said = place.textContent;
  const done = (await clipboard(text)) ? "Copied" : "Could not copy";
  place.textContent = done;
  announce(done);
  setTimeout(() => { place.textContent = said; }, 2000);
}

// Over plain http from another machine browsers have no navigator.clipboard.
async function clipboard(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = Object.assign(document.createElement("textarea"), { value: text, className: "unseen" });
    document.body.append(area);
    area.select();
    const worked = document.execCommand("copy");
    area.remove();
    return worked;
  }
}
