// This browser's own key: made here, never to leave it, and enrolled as a device that vouches for its photos.
//
// With a network it signs the request that begins an upload (RFC 9421); without one it makes a capture statement at once,
// whose time is a claim (docs/devices.md). Where the service knows no devices, or the page is not over https, photos go
// as they are.

import { get } from "./api.js";
import { explain } from "./problem.js";
import * as store from "./store.js";

const P256 = { name: "ECDSA", namedCurve: "P-256" };
const ECDSA = { name: "ECDSA", hash: "SHA-256" };
const ALG = "ecdsa-p256-sha256";
const PLACE = "device"; // {id, pair, counter} on the shelf: browsers keep keys there without showing them
const ABSENT = [404, 405]; // of a service without devices
let isAbsent = !globalThis.crypto?.subtle;

/** Enrol a key, unless there is one. Raises Problem when the service cannot be asked. */
export async function enrol() {
  if (isAbsent) return;
  await alone(async () => {
    if (await store.setting(PLACE)) return;
    const pair = await crypto.subtle.generateKey(P256, false, ["sign", "verify"]);
    const { kty, crv, x, y } = await crypto.subtle.exportKey("jwk", pair.publicKey);
    const thumbprint = url64(await sha256(JSON.stringify({ crv, kty, x, y }))); // RFC 7638
    const body = JSON.stringify({ name: name(), public_key: { kty, crv, x, y }, attestation: null });
    const signed = await headers(pair, thumbprint, "POST", "/v1/devices", await sha256(body));
    const answer = signed && (await get("/v1/devices", { method: "POST", headers: { ...signed, "Content-Type": "application/json" }, body }));
    if (answer) await store.keep(PLACE, { id: (await answer.json()).id, pair, counter: 0 });
  });
}

/** Headers that vouch for a photo of this digest (hex), for a request; none where there is no key. Raises Problem. */
export async function sign(method, path, digest) {
  await enrol().catch((problem) => {
    if (problem.status === 401 || explain(problem).later) throw problem;
    isAbsent = true; // this service takes no device of ours: photos go as they are
  });
  const device = await kept();
  return device ? ((await headers(device.pair, device.id, method, path, bytes(digest))) ?? {}) : {};
}

/** A capture statement for a photo of this digest (hex), made now and without a network; null where there is no key. */
export async function state(digest) {
  // Counted before it is used: whatever happens next, no number stands for two photos.
  const device = isAbsent ? null : await store.alter(PLACE, (now) => now && { ...now, counter: now.counter + 1 }).catch(() => null);
  if (!device) return null;
  const payload = { sha256: digest, device: device.id, time: Math.floor(Date.now() / 1000), counter: device.counter };
  const text = [{ alg: "ES256", typ: "capture-statement+jwt" }, payload].map((part) => url64(utf8(JSON.stringify(part)))).join(".");
  return `${text}.${url64(await crypto.subtle.sign(ECDSA, device.pair.privateKey, utf8(text)))}`;
}

/** The key is good for nothing any more: the next photo makes another. */
export const forget = () => store.keep(PLACE, undefined).catch(() => {});

const kept = () => (isAbsent ? null : store.setting(PLACE).catch(() => null));

async function headers(pair, keyid, method, path, digest) {
  const nonce = await nonceOf();
  if (!nonce) return null;
  const told = `sha-256=:${base64(digest)}:`;
  const input = `("@method" "@path" "content-digest");created=${Math.floor(Date.now() / 1000)};keyid="${keyid}";nonce="${nonce}";alg="${ALG}"`;
  const text = `"@method": ${method}\n"@path": ${path}\n"content-digest": ${told}\n"@signature-params": ${input}`;
  const signature = await crypto.subtle.sign(ECDSA, pair.privateKey, utf8(text));
  return { "Content-Digest": told, "Signature-Input": `capture=${input}`, Signature: `capture=:${base64(signature)}:` };
}

async function nonceOf() {
  try {
    return (await (await get("/v1/devices/nonce", { method: "POST" })).json()).nonce;
  } catch (problem) {
    if (!ABSENT.includes(problem.status)) throw problem;
    isAbsent = true;
    return null;
  }
}

const alone = (work) => (navigator.locks ? navigator.locks.request("capture.device", work) : work());
const name = () => `App page, ${navigator.userAgentData?.platform || navigator.platform || "browser"}`.slice(0, 100);
const utf8 = (text) => new TextEncoder().encode(text);
const sha256 = (text) => crypto.subtle.digest("SHA-256", utf8(text));
const bytes = (hex) => Uint8Array.from(hex.match(/../g), (pair) => parseInt(pair, 16));
const base64 = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)));
const url64 = (buffer) => base64(buffer).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
