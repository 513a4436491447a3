// Live updates: the stream says that something has changed, and the page is read again. Without this script, the page shows
// the same and stays as it was when it was loaded.
"use strict";
(() => {
  const live = document.getElementById("live");
  const address = document.body.dataset.live;
  if (!live || !address || !window.EventSource) return;
  let shown = document.body.dataset.version;
  let wanted = shown;
  let busy = false;
  const PAUSE = 700;

  const say = (text, on) => {
    if (live.textContent !== text) live.textContent = text;
    live.classList.toggle("on", on);
  };

  // The part keeps what the reader has done to it: where it was scrolled to, and which link has the focus.
  const replace = (old, part) => {
    const scrolled = [...old.querySelectorAll(".scroll[id]")].map((e) => [e.id, e.scrollLeft, e.scrollTop]);
    const focus = old.contains(document.activeElement) ? document.activeElement : null;
    const same = (e) => focus && e.tagName === focus.tagName &&
      (focus.id ? e.id === focus.id : e.getAttribute("href") === focus.getAttribute("href") && e.ariaLabel === focus.ariaLabel);
    old.replaceWith(part);
    for (const [id, left, top] of scrolled) {
      const e = document.getElementById(id);
      if (e) { e.scrollLeft = left; e.scrollTop = top; }
    }
    if (focus) {
      const again = [...part.querySelectorAll("a, button, [tabindex]")].find(same);
      if (again) again.focus({ preventScroll: true });
    }
  };

  const update = async () => {
    if (busy || document.hidden || wanted === shown) return;
    busy = true;
    const asked = wanted;
    try {
      const response = await fetch(location.href, { cache: "no-store", credentials: "same-origin" });
      if (response.ok) {
        const page = new DOMParser().parseFromString(await response.text(), "text/html");
        for (const part of page.querySelectorAll("[data-part]")) {
          const old = document.getElementById(part.id);
          if (old && old.outerHTML !== part.outerHTML) replace(old, document.importNode(part, true));
          if (!old) { location.reload(); return; }
        }
        shown = asked;
      }
    } catch {
      // the stream tells when the service is there again
    }
    busy = false;
    setTimeout(update, PAUSE);
  };

  const stream = new EventSource(address);
  stream.onopen = () => say("Live", true);
  stream.onerror = () => say(stream.readyState === EventSource.CLOSED ? "Not live" : "Connecting", false);
  stream.onmessage = (event) => { wanted = event.data; say("Live", true); update(); };
  document.addEventListener("visibilitychange", update);
  window.addEventListener("pagehide", () => stream.close());
})();
