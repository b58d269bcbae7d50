// Being told when photos are anchored, also while the page is closed: asked for only when the person presses the button.

import { get } from "./api.js";
import { explain, Problem } from "./problem.js";
import * as store from "./store.js";

const ON = "Do not notify me";
const OFF = "Notify me when anchored";
const DENIED = "Notifications are not allowed for this site. Allow them in the browser’s settings, then press again.";

/** Show the button where this browser can be told. */
export async function install(button, said) {
  if (!("PushManager" in globalThis) || !("Notification" in globalThis)) return;
  const worker = await navigator.serviceWorker.ready;
  const shown = async () => {
    button.querySelector("span").textContent = (await worker.pushManager.getSubscription()) ? ON : OFF;
  };
  await shown();
  button.hidden = false;
  button.onclick = async () => {
    button.disabled = true;
    said.textContent = "";
    try {
      const subscription = await worker.pushManager.getSubscription();
      said.textContent = await (subscription ? end(subscription) : begin(worker));
    } catch (error) {
      said.textContent = words(error);
    }
    await shown();
    button.disabled = false;
  };
}

async function begin(worker) {
  if ((await Notification.requestPermission()) !== "granted") return DENIED;
  const { public_key: key } = await (await get("/v1/push/key")).json();
  const subscription = await worker.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key });
  try {
    const body = JSON.stringify(subscription);
    const answer = await get("/v1/push/subscriptions", { method: "POST", headers: { "Content-Type": "application/json" }, body });
    await store.keep("push", (await answer.json()).id);
  } catch (error) {
    await subscription.unsubscribe(); // nobody would ever tell it anything
    throw error;
  }
  return "You will be told.";
}

async function end(subscription) {
  const id = await store.setting("push");
  await subscription.unsubscribe();
  if (id) await get(`/v1/push/subscriptions/${id}`, { method: "DELETE" }).catch(() => {}); // the service notices: its next message comes back
  await store.keep("push", undefined);
  return "You will not be told any more.";
}

function words(error) {
  if (!(error instanceof Problem)) return `This browser could not be reached for notifications (${error.message}). Try again with a network.`;
  const { title, detail, next } = explain(error);
  return [title, detail, next].filter(Boolean).join(". ").replace("..", ".");
}
