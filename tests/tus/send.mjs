// Sends a file with tus-js-client: `node send.mjs '{"endpoint", "key", "file", "chunk", "parallel", "abortAt", "metadata", "protocol"}'`.
// Prints {"location", "requests": [[method, status], …], "sent"} as JSON. `abortAt`: stop there once, and resume.
import { createReadStream, statSync } from "node:fs";
import { Upload } from "tus-js-client";

const wish = JSON.parse(process.argv[2]);
const requests = [];
let location = null;
let stopped = false;

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
