// The public page says everything without this: here the outlines are drawn over its pictures, licences are got by a button, and its
// owner finds the way to what it earns.

import * as api from "./api.js";
import { mark } from "./evidence.js";
import * as key from "./key.js";
import * as licence from "./licence.js";

for (const pair of document.querySelectorAll(".pair")) {
  mark(pair, JSON.parse(pair.dataset.evidence), JSON.parse(pair.dataset.dimensions));
}
licence.install();
showOwner();

/** Asked by digest: that says of a stranger's photo nothing but that it is none of one's own. */
async function showOwner() {
  const place = document.getElementById("owner-link");
  key.load();
  if (!key.current() || !place.dataset.sha256) return;
  const options = { method: "POST", body: JSON.stringify({ sha256: [place.dataset.sha256] }), headers: { "Content-Type": "application/json" } };
  const told = await api.get("/v1/captures/check", options).then((answer) => answer.json()).catch(() => null);
  place.hidden = told?.results[0].id !== place.dataset.capture;
}
