// Sending the photo: XMLHttpRequest, because fetch() cannot tell how much of an upload has gone.

import { get, headers } from "./api.js";
import { Problem } from "./problem.js";

/** Stopped by the person. */
export class Stopped extends Error {}

/**
 * Register `file` with `metadata`. `onProgress(sentBytes, allBytes)` counts the whole body.
 * Returns {capture, isNew} or raises Problem or Stopped. Aborting `signal` stops it.
 */
export async function upload(file, metadata, onProgress, signal) {
  const form = new FormData();
  // First, so that the service knows what is wanted before the bytes come.
  form.append("metadata", JSON.stringify(metadata));
  form.append("file", file, file.name || "photo");
  const { status, body } = await post("/v1/captures", form, onProgress, signal);
  return { capture: body, isNew: status !== 200 };
}

/** Send a form. Returns {status, body}, the JSON of a success, or raises Problem or Stopped. */
export async function post(path, form, onProgress, signal) {
  const { status, text } = await send(path, form, onProgress, signal);
  if (status < 200 || status > 299) throw status ? Problem.parse(status, text) : await reason();
  try {
    return { status, body: JSON.parse(text) };
  } catch {
    throw new Problem(502);
  }
}

function send(path, form, onProgress, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", path);
    for (const [name, value] of Object.entries(headers())) request.setRequestHeader(name, value);
    request.setRequestHeader("Accept", "application/json, application/problem+json");
    request.upload.onprogress = (event) => onProgress(event.loaded, event.total);
    request.onload = () => resolve({ status: request.status, text: request.responseText });
    request.onerror = () => resolve({ status: 0, text: "" });
    request.onabort = () => reject(new Stopped());
    signal.addEventListener("abort", () => request.abort());
    request.send(form);
  });
}

// A service that refuses early closes the connection while we still send, and the browser hides its answer:
// a short call tells a refused key from a lost network.
async function reason() {
  try {
    await get("/v1/captures/none");
  } catch (problem) {
    if ([401, 403, 503].includes(problem.status)) return problem;
  }
  return new Problem(0);
}
