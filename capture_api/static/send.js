// One photo on its way: asked about first, then sent by tus, from where an earlier try stopped.

import { get, headers, path } from "./api.js";
import { Problem } from "./problem.js";

/** Stopped by the person, or by another tab. */
export class Stopped extends Error {}

/** What the service knows of these bytes: {state: "known" | "unknown" | "erased", id}. */
export async function standing(sha256) {
  const options = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ sha256: [sha256] }) };
  return (await (await get("/v1/captures/check", options)).json()).results[0];
}

/**
 * Send an item's photo; the id of its capture. `onPlace(url)`: the upload's address, to go on with another day.
 * `sign(method, path)`: headers for the request that begins the upload. Raises Problem or Stopped.
 */
export function send(item, photo, { onPlace, onProgress, sign, signal }) {
  let place = null;
  let unsigned = null; // why the request could not be signed
  return new Promise((resolve, reject) => {
    const upload = new globalThis.tus.Upload(photo, {
      endpoint: "/v1/uploads",
      uploadUrl: item.uploadUrl,
      retryDelays: null, // the queue tries again: it knows of the network, of pauses and of other photos
      storeFingerprintForResuming: false, // the queue keeps the address
      headers: headers(),
      metadata: metadataOf(item),
      onBeforeRequest: async (request) => {
        if (request.getMethod() !== "POST") return; // pieces go with the key alone
        const signature = await sign("POST", path(request.getURL())).catch((problem) => { unsigned = problem; throw problem; });
        for (const [name, value] of Object.entries(signature)) request.setHeader(name, value);
      },
      onAfterResponse: (request, answer) => { place = answer.getHeader("Content-Location") ?? place; },
      onUploadUrlAvailable: () => onPlace(path(upload.url)),
      onProgress,
      onSuccess: () => resolve(place && path(place).split("/").pop()),
      onError: (error) => reject(signal.aborted ? new Stopped() : unsigned ?? problemOf(error)),
    });
    signal.addEventListener("abort", () => { upload.abort().catch(() => {}); reject(new Stopped()); });
    upload.start();
  });
}

/** Tell the service to forget the bytes of an upload that will not be finished. */
export const forget = (url) => get(url, { method: "DELETE", headers: { "Tus-Resumable": "1.0.0" } }).catch(() => {}); // it expires anyway

function metadataOf({ name, type, sha256, metadata, key, statement }) {
  const values = { filename: name, filetype: type, sha256, metadata: JSON.stringify(metadata), "idempotency-key": key, statement };
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value));
}

function problemOf(error) {
  const answer = error.originalResponse;
  return answer?.getStatus() ? Problem.parse(answer.getStatus(), answer.getBody()) : new Problem(0);
}
