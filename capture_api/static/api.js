// Calls to the service with the key. Every failure is a Problem.

import * as key from "./key.js";
import { Problem } from "./problem.js";

/** Links may name another scheme or host when a proxy stands in front: only the path is used. */
export const path = (link) => new URL(link, location.origin).pathname;

/** The headers that every call with the key sends. */
export const headers = () => ({ Authorization: `Bearer ${key.current()}` });

/** Fetch with the key. Raises Problem unless the answer is a success. */
export async function get(link, options = {}) {
  let answer;
  try {
    answer = await fetch(path(link), { ...options, headers: { ...headers(), ...options.headers } });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0);
  }
  if (!answer.ok) throw Problem.parse(answer.status, await answer.text().catch(() => ""));
  return answer;
}

/** The capture as JSON. */
export const capture = async (link) => (await get(link, { cache: "no-store" })).json();

/** The bytes behind a link. */
export const blob = async (link) => (await get(link)).blob();
