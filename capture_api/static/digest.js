// The SHA-256 of a photo, by which it is known everywhere.

let last = Promise.resolve();

/**
 * The digest of a Blob in hex; null where the browser has none (a page over plain http).
 * One after the other: each holds a whole photo in memory, and that may be 120 MB.
 */
export function sha256(blob) {
  if (!globalThis.crypto?.subtle) return Promise.resolve(null);
  const turn = last.then(async () => hex(await crypto.subtle.digest("SHA-256", await blob.arrayBuffer())));
  last = turn.catch(() => {});
  return turn;
}

const hex = (bytes) => [...new Uint8Array(bytes)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
