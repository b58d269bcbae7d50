// Sends a file with tus-js-client: `node send.mjs '{"endpoint", "key", "file", "chunk", "parallel", "abortAt", "metadata", "protocol"}'`.
// With "device", {"id", "private": JWK}, that device vouches for it, as a page does with WebCrypto: each request that
// begins an upload which becomes a photo is signed with a nonce of its own.
// Prints {"location", "requests": [[method, status], …], "sent"} as JSON. `abortAt`: stop there once, and resume.
import { createReadStream, readFileSync, statSync } from "node:fs";
import { Upload } from "tus-js-client";

const wish = JSON.parse(process.argv[2]);
const requests = [];
let location = null;
let stopped = false;

const P256 = { name: "ECDSA", namedCurve: "P-256" };
const key = wish.device && (await crypto.subtle.importKey("jwk", wish.device.private, P256, false, ["sign"]));
const base64 = (buffer) => Buffer.from(buffer).toString("base64");

async function sign(request) {
  if (!key || request.getMethod() !== "POST" || request.getHeader("Upload-Concat") === "partial") return;
  const asked = { method: "POST", headers: { Authorization: `Bearer ${wish.key}` } };
  const { nonce } = await (await fetch(new URL("/v1/devices/nonce", wish.endpoint), asked)).json();
  const digest = `sha-256=:${base64(await crypto.subtle.digest("SHA-256", readFileSync(wish.file)))}:`;
  const created = Math.floor(Date.now() / 1000);
  const input = `("@method" "@path" "content-digest");created=${created};keyid="${wish.device.id}";nonce="${nonce}";alg="ecdsa-p256-sha256"`;
  const lines = [
    '"@method": POST',
    `"@path": ${new URL(request.getURL()).pathname}`,
    `"content-digest": ${digest}`,
    `"@signature-params": ${input}`,
  ];
  const signed = await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, key, new TextEncoder().encode(lines.join("\n")));
  request.setHeader("Content-Digest", digest);
  request.setHeader("Signature-Input", `capture=${input}`);
  request.setHeader("Signature", `capture=:${base64(signed)}:`);
}

const upload = new Upload(createReadStream(wish.file), {
  endpoint: wish.endpoint,
  ...(wish.parallel ? {} : { uploadSize: statSync(wish.file).size }),
  chunkSize: wish.chunk ?? Infinity,
  parallelUploads: wish.parallel ?? 1,
  protocol: wish.protocol ?? "tus-v1",
  retryDelays: [0, 200, 1000],
  overridePatchMethod: wish.override ?? false,
  metadata: wish.metadata ?? {},
  headers: { Authorization: `Bearer ${wish.key}` },
  onBeforeRequest: sign,
  onAfterResponse(request, response) {
    requests.push([request.getMethod(), response.getStatus()]);
    location = response.getHeader("Content-Location") ?? location;
  },
  onProgress(sent) {
    if (wish.abortAt && sent >= wish.abortAt && !stopped) {
      stopped = true;
      upload.abort().then(() => setTimeout(() => upload.start(), 300));
    }
  },
  onError(error) {
    console.error(String(error));
    process.exit(1);
  },
  onSuccess() {
    console.log(JSON.stringify({ location, requests, stopped }));
  },
});
upload.start();
