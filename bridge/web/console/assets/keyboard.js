// Keys of the console, which settings turn off. Each page works without them. console.js comes first.
"use strict";

{
  const OFF = "flowbridge-keys-off";
  const SEQUENCE_MS = 1500; // from `g` to the letter after it
  const PAGES = {
    o: "/",
    e: "/events",
    d: "/deliveries",
    c: "/causes",
    u: "/unknown",
    r: "/rejects",
    f: "/forms",
    s: "/sources",
    t: "/trends",
    a: "/operations",
  };
  const OTHERS = [
    ["/", "search"],
    ["j, k", "the next and the previous row of a list"],
    ["Enter", "open the row"],
    ["x", "tick the row"],
    ["?", "this list"],
    ["Esc", "close this list, or leave a field"],
  ];

  // the links of the navigation, which has the names of the pages
  const base = document.querySelector(".brand").getAttribute("href").replace(/\/$/, "");
  const LINKS = {};
  for (const [letter, path] of Object.entries(PAGES)) {
    const link = document.querySelector(`.side a[href="${base + path}"]`);
    if (link) LINKS[letter] = link;
  }

  const isOff = () => isChosen(OFF);

  const isField = (one) =>
    one instanceof Element && one.closest("input, select, textarea, [contenteditable]") !== null;

  // -- the list of all keys

  const dialog = document.createElement("dialog");
  dialog.className = "panel";
  dialog.setAttribute("aria-labelledby", "keys-title");
  const title = document.createElement("h2");
  title.id = "keys-title";
  title.textContent = "Keys";
  const list = document.createElement("dl");
  list.className = "pairs";
  const goTo = Object.entries(LINKS).map(([letter, link]) => [`g ${letter}`, link.querySelector("span").textContent]);
  for (const [keys, text] of [...OTHERS, ...goTo]) {
    const key = document.createElement("kbd");
    key.textContent = keys;
    const term = document.createElement("dt");
    term.append(key);
    const about = document.createElement("dd");
    about.textContent = text;
    list.append(term, about);
  }
  const close = document.createElement("button");
  close.textContent = "Close";
  close.addEventListener("click", () => dialog.close());
  dialog.append(title, list, close);
  document.body.append(dialog);

  // -- rows

  const rows = () => [...document.querySelectorAll("main a.row")];

  const move = (by) => {
    const all = rows();
    const at = all.findIndex((one) => one.closest("tr, li").contains(document.activeElement));
    const next = at < 0 ? (by > 0 ? 0 : all.length - 1) : at + by;
    all[Math.min(Math.max(next, 0), all.length - 1)]?.focus();
  };

  const tick = () => {
    const row = document.activeElement?.closest("tr, li");
    row?.querySelector("input[type=checkbox]")?.click();
  };

  // -- keys

  const search = document.querySelector(".search input");
  const KEYS = {
    "/": () => search?.focus(),
    "?": () => dialog.showModal(),
    j: () => move(1),
    k: () => move(-1),
    x: tick,
  };
  let goSince = -Infinity;

  if (search) {
    addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
      if (isField(event.target)) {
        if (event.key === "Escape") event.target.blur();
        return;
      }
      if (dialog.open || isOff()) return;
      const isSecond = performance.now() - goSince < SEQUENCE_MS;
      goSince = event.key === "g" && !isSecond ? performance.now() : -Infinity;
      if (isSecond && Object.hasOwn(LINKS, event.key)) {
        event.preventDefault();
        location.assign(LINKS[event.key].href);
      } else if (!isSecond && Object.hasOwn(KEYS, event.key)) {
        event.preventDefault(); // so that `/` is not typed into the field
        KEYS[event.key]();
      }
    });
  }

  // -- the switch in settings

  const choice = document.querySelector("[data-keys]");
  if (choice) {
    const show = () => {
      choice.textContent = isOff() ? "Turn the keys on" : "Turn the keys off";
    };
    choice.closest("[hidden]").hidden = false;
    choice.addEventListener("click", () => {
      choose(OFF, !isOff());
      show();
    });
    show();
  }
}
