"use strict";
// The network first, for three seconds; then the page as it was loaded last, which says its age.
const CACHE = "mekong-pages";
const MOST = 6;
const WAIT_MS = 3000;

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

const keep = async (request, answer) => {
  const cache = await caches.open(CACHE);
  await cache.delete(request, { ignoreSearch: true });
  await cache.put(request.url.split(/[?#]/)[0], answer);
  const pages = (await cache.keys()).filter((key) => key.url.endsWith(".html"));
  await Promise.all(pages.slice(0, -MOST).map((page) => cache.delete(page)));
};

const load = async (event) => {
  const { request } = event;
  const network = fetch(request);
  // Waited for from the start: a page that comes after three seconds is kept for the next time.
  event.waitUntil(network.then((answer) => answer.ok && keep(request, answer.clone()), () => {}));
  const cached = await caches.match(request, { ignoreSearch: true });
  if (!cached) return network;
  const late = new Promise((resolve) => { setTimeout(() => resolve(cached), WAIT_MS); });
  const fresh = network.then((answer) => (answer.status < 500 ? answer : cached), () => cached);
  return Promise.race([fresh, late]);
};

self.addEventListener("fetch", (event) => {
  const address = new URL(event.request.url);
  if (event.request.method !== "GET" || address.origin !== location.origin) return;
  if (!address.pathname.startsWith(new URL("./", location).pathname)) return;
  event.respondWith(load(event));
});
