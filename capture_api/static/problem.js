// What can go wrong, in words: what happened, why, and what to do next.

/** An answer that is no success (RFC 9457), or none at all (status 0). */
export class Problem extends Error {
  constructor(status, { title = "", detail = "", type = "", next = "", reason = "", retry_after_s: retryAfterS = 0 } = {}) {
    super(detail || title);
    // The type's own name: "/docs#problem-too-large" → "too-large".
    Object.assign(this, { status, title, detail, next, reason, retryAfterS, type: String(type).replace(/^.*#problem-/, "") });
  }

  /** From an answer's body, which may be anything when something stands between us and the service. */
  static parse(status, text) {
    try {
      const body = JSON.parse(text);
      return new Problem(status, body && typeof body === "object" ? body : {});
    } catch {
      return new Problem(status);
    }
  }
}

/** Whether the service runs on the computer that shows the page. */
export const isThisComputer = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(location.hostname);

const WORDS = {
  0: ["The connection was lost", "The service did not answer.",
    "Check your network and try again. The same photo is never registered twice, so trying again is safe."],
  400: ["The upload did not arrive well", "", "Try again. If that does not help, choose another photo."],
  401: ["The key was not accepted", "", `Enter the key again${isThisComputer ? ": it stands in the file data/api-key" : ", or ask whoever runs this service for one"}.`],
  403: ["This key may not register photos", "", "Ask whoever runs this service for a key with the scope “capture”."],
  404: ["It is not here", "", "Register the photo again."],
  409: ["This contradicts what is already known", "", "Tell whoever runs this service."],
  410: ["It was erased", "", "Register the photo again if you want it back."],
  413: ["The photo is too large", "", "Choose a smaller photo, or save it smaller first."],
  415: ["This is not a photo that can be registered", "", "Choose a photo, such as a JPEG, PNG, WebP or HEIC file."],
  422: ["The photo or its details were refused", "", "Change what the message names, or choose another photo."],
  423: ["Another upload of it is under way", "", "It goes on by itself in a moment."],
  429: ["Too many at once", "", "It goes on by itself when there is room again."],
  503: ["A part of the service is out of reach", "", "Wait a moment, then try again."],
};
const BROKEN = ["Something in the service is broken", "It answered with an error.", "Try again in a moment. Nothing you entered is lost."];
const PASSING = ["wrong-offset", "upload-busy", "idempotency-key-in-use", "upload-cut-off"]; // gone in a moment
const FUTILE = [401, 403, 409, 413, 415, 422]; // the same again gives the same answer

/**
 * {title, detail, next, retry, later} for a person. `retry`: whether the same request may succeed later; `later`: whether
 * it is worth trying by itself.
 */
export function explain(problem) {
  const [title, detail, next] = WORDS[problem.status] ?? BROKEN;
  return {
    title: problem.title || title,
    detail: problem.detail || detail,
    next: problem.next || next,
    retry: !FUTILE.includes(problem.status),
    later: !problem.status || [423, 429].includes(problem.status) || problem.status >= 500 || PASSING.includes(problem.type),
  };
}
