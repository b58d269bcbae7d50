// The link of a photo: copied, shared with another app, or shown as a QR code to whoever stands beside.

import { announce, copy } from "./page.js";
import { generate } from "./vendor/lean-qr.js";

/** Make the link buttons of a card work for this address. */
export function shareable(article, address) {
  const part = (selector) => article.querySelector(selector);
  part(".copy").onclick = () => copy(address, part(".copy span"));
  part(".share").hidden = !navigator.share;
  part(".share").onclick = () => share(address, part(".copy span"));
  part(".qr").onclick = () => show(part(".code"), part(".qr"), address);
}

async function share(address, said) {
  try {
    await navigator.share({ title: "A registered photo", url: address });
  } catch (error) {
    if (error.name !== "AbortError") copy(address, said); // no app to share with: the link is copied instead
  }
}

function show(figure, button, address) {
  figure.hidden = !figure.hidden;
  button.setAttribute("aria-expanded", String(!figure.hidden));
  if (figure.hidden) return;
  generate(address).toCanvas(figure.querySelector("canvas"), { on: [0, 0, 0], off: [255, 255, 255] }); // scanners want dark on light
  figure.querySelector("figcaption").textContent = address;
  announce("The QR code of the link is shown.");
}
