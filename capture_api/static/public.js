// The public page says everything without this: here the outlines are drawn over its pictures.

import { mark } from "./evidence.js";

for (const pair of document.querySelectorAll(".pair")) {
  mark(pair, JSON.parse(pair.dataset.evidence), JSON.parse(pair.dataset.dimensions));
}
