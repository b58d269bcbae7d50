// What the page may do beside sending photos: work without a network, stand on the home screen, and say when it is done.

import * as push from "./push.js";

const part = (id) => document.getElementById(id);
let offer = null; // the browser's own question whether to install

/** Register the service worker and show the switches that this browser has. */
export function install() {
  const workers = navigator.serviceWorker; // none over plain http
  workers?.register("/sw.js").then((worker) => {
    renew(worker);
    return push.install(part("push"), part("push-said"));
  }).catch(() => {});
  addEventListener("beforeinstallprompt", (event) => {
    event.preventDefault(); // asked when the person wants it, not in the middle of something
    offer = event;
    part("install").hidden = false;
  });
  addEventListener("appinstalled", () => { part("install").hidden = true; });
  part("install").addEventListener("click", async () => {
    await offer?.prompt();
    part("install").hidden = true;
  });
}

/** A new release of the app serves the next visit: this page has all its scripts, and asks for no more. */
function renew(worker) {
  const takeOver = () => worker.waiting?.postMessage("take over");
  takeOver();
  worker.addEventListener("updatefound", () => worker.installing.addEventListener("statechange", takeOver));
}
