// The facts in plain words. Nothing is said that the fact does not hold.

import { bytes, count, time } from "./words.js";

const ORDER = [
  ["asset", "received", "Received"],
  ["credentials", "inspected", "Inspected"],
  ["fingerprint", "fingerprinted", "Fingerprinted"],
  ["verdict", "matched", "Compared"],
  ["manifest", "signed", "Signed"],
  ["leaf", "sealed", "Sealed"],
  ["inclusion", "logged", "Logged"],
  ["anchor", "anchored", "Anchored"],
];

/** The stages' facts in order: [{name, title}]. A rejection is none of them: it may come at any stage. */
export const STEPS = ORDER.map(([name, , title]) => ({ name, title }));
/** All names of facts. */
export const NAMES = [...ORDER.map(([name]) => name), "rejection"];
/** What a capture is called once it has the fact. */
export const STATUS = Object.fromEntries([...ORDER, ["rejection", "rejected"]]);

const CREDENTIALS = {
  none: "It came without Content Credentials.",
  valid: "It came with intact Content Credentials, from a signer who is on no trust list here.",
  trusted: "It came with intact Content Credentials from a trusted signer.",
  invalid: "It came with Content Credentials that do not fit it.",
  malformed: "It came with Content Credentials that cannot be read.",
  remote_only: "It only names a place on the web for its Content Credentials; that was not visited.",
};
const WORST = {
  invalid: "Something it was made from has Content Credentials that do not fit.",
  malformed: "Something it was made from has Content Credentials that cannot be read.",
  remote_only: "Something it was made from only names a place on the web for its own; that was not visited.",
  valid: "Something it was made from was signed by somebody on no trust list here.",
};
const ORIGIN = {
  made_by_ai: "They say it was made by AI.",
  edited_with_ai: "They say AI was used on it.",
  captured: "They say a camera captured it.",
};
const CLOCK = {
  trusted_time_stamp: "by a trusted time-stamp",
  time_stamp: "by a time-stamp from somebody on no list here",
  signer_clock: "by the signer’s own clock",
};
const SINCE = { expired_since: "ended", revoked_since: "was revoked" };
const FOR_A_PERSON = ["original", "shares_region", "same_scene"]; // these accuse nobody

function credentials(fact) {
  const words = [CREDENTIALS[fact.state] ?? `Its Content Credentials are “${fact.state}”.`];
  if (fact.signer) words.push(`Signer: ${fact.signer}${fact.trusted_by ? `, on the list “${fact.trusted_by}”` : ""}.`);
  if (fact.signed_at) words.push(`Signed ${time(fact.signed_at)}, ${CLOCK[fact.time_source] ?? "says the file"}.`);
  if (SINCE[fact.certificate]) words.push(`The signer’s certificate ${SINCE[fact.certificate]} since.`);
  if (ORIGIN[fact.ai]) words.push(ORIGIN[fact.ai]);
  if (fact.edited) words.push("They tell of edits.");
  if (fact.unhashed_bytes) words.push(`${bytes(fact.unhashed_bytes)} of it are not protected by them.`);
  if (fact.worst !== fact.state && WORST[fact.worst]) words.push(WORST[fact.worst]);
  if (fact.reason) words.push(sentence(fact.reason));
  words.push(...contents(fact.contents));
  return { text: words.join(" "), attention: ["invalid", "malformed"].includes(fact.worst) };
}

const PARTS = { motion_video: "a video", gain_map: "an HDR gain map", depth_map: "a depth map", portrait_matte: "a portrait mask", preview: "a preview", image: "another picture" };

function contents(found) {
  if (!found) return [];
  const parts = [...new Set(found.parts.map(({ kind }) => PARTS[kind] ?? kind))];
  const words = parts.length ? [`Also in the file, and kept: ${parts.join(", ")}.`] : [];
  if (found.pair) words.push("It is the still of a Live Photo; the video that belongs to it is another file.");
  if (found.burst) words.push("It is one of a burst.");
  return words;
}

function fingerprint({ soft_bindings: bindings, quality }) {
  const made = `${count(bindings.length, "fingerprint")} of its looks.`;
  return quality < 50
    ? { text: `${made} It is too flat to recognise altered copies: only the very same file will be found.`, attention: true }
    : { text: `${made} Altered copies can be found by them.` };
}

function verdict({ kind, compared_with: others, matches, note }) {
  const found = matches.length ? matches[0].means : "No copy was found";
  const text = others === 0 && kind === "original"
    ? "It is the first photo here: there was none to compare it with."
    : `Compared with ${count(others, "earlier photo")}. ${found}.`;
  return { text: note ? `${text} ${sentence(note)}` : text, attention: !FOR_A_PERSON.includes(kind) };
}

const SIGNED = { trusted: "and read back without a fault", valid: "and read back intact, but not as trusted" };

function anchor({ block, chain_id: chain, state, local }) {
  const text = `Block ${block} of chain ${chain} holds the log’s root, and this photo with it.`;
  if (local) return { text: `${text} Local chain: not independent proof.`, attention: true };
  return { text: state === "final" ? text : `${text} Included, not final yet.` };
}

const SENTENCES = {
  asset: ({ size }) => ({ text: `All ${bytes(size)} arrived and are kept untouched.` }),
  credentials,
  fingerprint,
  verdict,
  manifest: ({ state }) => ({ text: `Content Credentials with your rights were written into a copy ${SIGNED[state] ?? `(${state})`}.` }),
  leaf: () => ({ text: "One salted digest now stands for all of this. It gives nothing away." }),
  inclusion: ({ index, tree_size: size }) => ({ text: `Position ${index} in the log, which had ${count(size, "entry", "entries")} then.` }),
  anchor,
};

/** {text, attention} for a fact; a fact of an unknown shape is named, never guessed at. */
export function describe(name, value) {
  try {
    return { attention: false, ...SENTENCES[name](value) };
  } catch {
    return { text: "Done.", attention: false };
  }
}

/** A reason from the service as a sentence. */
export function sentence(text) {
  const whole = text.trim();
  return whole.charAt(0).toUpperCase() + whole.slice(1) + (/[.!?]$/.test(whole) ? "" : ".");
}
