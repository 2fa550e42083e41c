// The paths and clauses of a value of an event open below it, and close with the same link.
// Without this script the link opens them on a page. It needs console.js, which copies.
"use strict";

addEventListener("click", async (event) => {
  const link = event.target.closest("a.use");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const place = link.closest(".leaf, summary, dl");
  const old = document.getElementById("value");
  old?.remove();
  if (old && old.of === link) return;
  let html;
  try {
    const answer = await fetch(link.href, { headers: { "HX-Request": "true" } });
    if (!answer.ok) throw new Error(answer.statusText);
    html = await answer.text();
  } catch {
    location.assign(link.href); // whose page says what is wrong
    return;
  }
  document.getElementById("value")?.remove();
  const box = document.createElement("div");
  Object.assign(box, { id: "value", className: "panel picked-value", tabIndex: -1, innerHTML: html, of: link });
  place.after(box);
  if (place.matches("summary")) place.parentElement.open = true;
  showCopies(box);
  box.focus();
});
