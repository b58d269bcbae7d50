// An objection to a work: that there is one, until when it halts what, and what its owner has against it.

import * as api from "./api.js";
import { sha256 } from "./digest.js";
import { time } from "./words.js";

const part = (id) => document.getElementById(id);

/** Show it. `appeal(evidence)` gives the order, with the digest of what speaks against the objection. */
export async function show(base, appeal) {
  const review = await api.capture(`${base}/review`).catch((problem) => {
    if (problem.status !== 404) throw problem;
    return { in_review: false, barred: false };
  });
  const { in_review: isOpen, barred: isBarred, until, tag, evidence, appealed: isAppealed, appeal_until: answerBy } = review;
  part("review").hidden = !isOpen && !isBarred;
  if (part("review").hidden) return;
  part("review-title").textContent = isBarred ? "It is licensed no more" : "Somebody objects to this work";
  part("review-words").textContent = isBarred
    ? "An objection to it was upheld. Licences that were sold before keep their terms."
    : `Until that is decided${until ? `, at the latest on ${time(until)},` : ""} it sells no licences, and what it earned waits.`;
  part("answer-by").textContent = answerBy ? `Answer by ${time(answerBy)}: after that it can be decided against you unheard.` : "";
  part("review-tag").textContent = tag ? `The objection: “${tag}”.` : "";
  part("review-evidence").hidden = !evidence;
  part("review-digest").textContent = evidence ?? "";
  part("appealed").hidden = !isAppealed || isBarred;
  part("appeal").hidden = !isOpen || isBarred || isAppealed;
  part("appeal").onsubmit = async (event) => {
    event.preventDefault();
    const digest = await sha256(part("against").files[0]);
    part("no-digest").hidden = Boolean(digest); // a page over plain http
    if (digest) appeal(digest);
  };
}
