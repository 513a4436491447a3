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

  // A click is lost if what is under the mouse is replaced between its two halves: then nothing is, until the mouse is let go.
  let pressed = false;
  // A part in which the reader has selected text, such as a key to look for, stays until they have let it go.
  let behind = false;

  const selection = () => {
    const selected = document.getSelection();
    return selected && !selected.isCollapsed ? selected : null;
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

  const parts = (page) => [...page.querySelectorAll("[data-part]")];
  const ids = (page) => parts(page).map((part) => part.id).join();

  const show = (page) => {
    const selected = selection();
    behind = false;
    for (const part of parts(page)) {
      const old = document.getElementById(part.id);
      if (old.outerHTML === part.outerHTML) continue;
      if (selected?.containsNode(old, true)) behind = true;
      else replace(old, document.importNode(part, true));
    }
    say(behind ? "Live, except what is selected" : "Live", true);
  };

  const update = async () => {
    const missing = wanted !== shown || (behind && !selection());
    if (busy || pressed || document.hidden || !missing) return;
    busy = true;
    const asked = wanted;
    try {
      const response = await fetch(location.href, { cache: "no-store", credentials: "same-origin" });
      if (response.ok) {
        const page = new DOMParser().parseFromString(await response.text(), "text/html");
        // letting the mouse go asks again
        if (!pressed) {
          // such as when somebody has signed in or out in another window
          if (ids(page) !== ids(document)) { location.reload(); return; }
          show(page);
          shown = asked;
        }
      }
    } catch {
      // the stream tells when the service is there again
    }
    busy = false;
    if (wanted !== shown) setTimeout(update, PAUSE);
  };

  const press = () => { pressed = true; };
  const release = () => {
    if (!pressed) return;
    pressed = false;
    // not before the click, which comes next
    setTimeout(update, 100);
  };
  addEventListener("pointerdown", press, true);
  for (const end of ["pointerup", "pointercancel", "dragend"]) addEventListener(end, release, true);
  // only that of the window: an element loses the focus when the mouse is pressed elsewhere
  addEventListener("blur", (event) => { if (event.target === window) release(); });
  // of a mouse that was let go outside of the window, nothing else tells
  addEventListener("pointermove", (event) => { if (event.buttons === 0) release(); }, true);
  document.addEventListener("selectionchange", () => {
    if (behind && !selection()) setTimeout(update, PAUSE);
  });

  const stream = new EventSource(address);
  stream.onopen = () => { if (!behind) say("Live", true); };
  stream.onerror = () => say(stream.readyState === EventSource.CLOSED ? "Not live" : "Connecting", false);
  stream.onmessage = (event) => { wanted = event.data; if (!behind) say("Live", true); update(); };
  document.addEventListener("visibilitychange", update);
  window.addEventListener("pagehide", () => stream.close());
})();
