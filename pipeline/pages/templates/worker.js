"use strict";
// The network first, for three seconds; then the page as it was loaded last, which says its age.
const CACHE = "mekong-pages";
const MOST = 6;
const WAIT_MS = 3000;

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

const keep = async (request, answer) => {
  const cache = await caches.open(CACHE);
  await cache.delete(request);
  await cache.put(request, answer);
  const pages = (await cache.keys()).filter((key) => key.url.endsWith(".html"));
  await Promise.all(pages.slice(0, -MOST).map((page) => cache.delete(page)));
};

const load = async (event) => {
  const { request } = event;
  const network = fetch(request).then((answer) => {
    if (answer.ok) event.waitUntil(keep(request, answer.clone()));
    return answer;
  });
  const cached = await caches.match(request, { ignoreSearch: true });
  if (!cached) return network;
  const late = new Promise((resolve) => { setTimeout(() => resolve(cached), WAIT_MS); });
  return Promise.race([network.catch(() => cached), late]);
};

self.addEventListener("fetch", (event) => {
  const address = new URL(event.request.url);
  if (event.request.method !== "GET" || address.origin !== location.origin) return;
  if (!address.pathname.startsWith(new URL("./", location).pathname)) return;
  event.respondWith(load(event));
});
