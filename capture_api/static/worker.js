// The service worker: the page opens without a network, a push message becomes a notification, a sleeping page is woken.
//
// The service puts `SHELL` before this text (capture_api/shell.py): {version, files}. The version is made of the files'
// content, so that a page never runs with scripts of another release. Answers of the API are never kept here.

/* global SHELL */
const CACHE = `shell-${SHELL.version}`;

self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(CACHE)
    .then((cache) => cache.addAll(SHELL.files.map((file) => new Request(file, { cache: "reload" })))));
});

// A new release waits for a page that has loaded all of its own: none gets half of each.
self.addEventListener("message", ({ data }) => { if (data === "take over") self.skipWaiting(); });

self.addEventListener("activate", (event) => {
  event.waitUntil(caches.keys()
    .then((names) => Promise.all(names.filter((name) => name.startsWith("shell-") && name !== CACHE).map((name) => caches.delete(name))))
    .then(() => self.clients.claim()));
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (request.method !== "GET" || origin !== location.origin) return;
  if (request.mode === "navigate") {
    if (pathname === "/") event.respondWith(fromShell("/", request));
    else if (!pathname.startsWith("/v1/")) event.respondWith(fetch(request).catch(() => fromShell("/offline", request)));
  } else if (SHELL.files.includes(pathname)) {
    event.respondWith(ofTheApp(event.clientId).then((isTheApp) => (isTheApp ? fromShell(pathname, request) : fetch(request))));
  }
});

const fromShell = async (name, request) => (await (await caches.open(CACHE)).match(name)) ?? fetch(request);

/** Other pages come fresh from the service, and their scripts have to fit them. */
async function ofTheApp(clientId) {
  const client = clientId && (await self.clients.get(clientId));
  return !client || ["/", "/offline"].includes(new URL(client.url).pathname);
}

self.addEventListener("sync", (event) => event.waitUntil(wake()));

async function wake() {
  for (const client of await self.clients.matchAll({ type: "window" })) client.postMessage("wake");
}

const TOLD = {
  "capture.anchored": ["Your photo is anchored", "Its place in the log stands on the chain. Open the app for its link and receipt."],
  "capture.rejected": ["Your photo was refused", "Open the app to see why."],
};

self.addEventListener("push", (event) => {
  const { type, data } = message(event);
  const [title, body] = TOLD[type] ?? ["Something happened to your photos", "Open the app to see what."];
  event.waitUntil(self.registration.showNotification(title, { body, tag: data?.id, icon: "/static/icon-192.png", badge: "/static/icon-192.png" }));
});

function message(event) {
  try {
    return event.data.json();
  } catch {
    return {}; // a browser may insist on a notification for whatever came
  }
}

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(open());
});

async function open() {
  const windows = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  const app = windows.find(({ url }) => new URL(url).pathname === "/");
  return app ? app.focus() : self.clients.openWindow("/");
}
