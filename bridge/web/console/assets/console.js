// Copy buttons, local times, and the ticket of a login. Every page works without this script.
"use strict";

const ZONE = "flowbridge-local-times";

// -- choices of a person in this browser

function isChosen(name) {
  try {
    return localStorage.getItem(name) === "1";
  } catch {
    return false; // storage is turned off
  }
}

function choose(name, isOn) {
  try {
    localStorage.setItem(name, isOn ? "1" : "0");
  } catch {
    // it stays as it was
  }
}

// -- copy

function showCopies(part) {
  if (!navigator.clipboard) return; // over plain http to another machine
  for (const button of part.querySelectorAll("[data-copy]")) button.hidden = false;
}

addEventListener("click", async ({ target }) => {
  const button = target.closest("[data-copy]");
  if (!button) return;
  await navigator.clipboard.writeText(button.dataset.copy);
  button.dataset.done = "";
  setTimeout(() => delete button.dataset.done, 1500);
});
showCopies(document);

// -- times: in UTC, or in the browser's zone

const utc = new WeakMap();

function showTimes(local) {
  const today = new Date();
  for (const one of document.querySelectorAll("time[datetime]:not([data-ago])")) {
    if (!utc.has(one)) utc.set(one, one.innerHTML);
    if (!local) {
      one.innerHTML = utc.get(one);
      continue;
    }
    const at = new Date(one.dateTime);
    const form = { hour: "2-digit", minute: "2-digit", second: "2-digit", timeZoneName: "short" };
    if (at.toDateString() !== today.toDateString()) Object.assign(form, { month: "short", day: "numeric" });
    if (at.getFullYear() !== today.getFullYear()) form.year = "numeric";
    one.textContent = at.toLocaleString("en-GB", form);
  }
  for (const one of document.querySelectorAll("time[datetime]")) one.title = one.dateTime;
}

let isLocal = isChosen(ZONE);

const zone = document.querySelector("[data-zone]");
if (zone) {
  const show = () => {
    showTimes(isLocal);
    zone.textContent = isLocal ? "Show times in UTC" : "Show local times";
  };
  zone.hidden = false;
  zone.addEventListener("click", () => {
    isLocal = !isLocal;
    choose(ZONE, isLocal); // or it lasts for this page
    show();
  });
  show();
}

// -- live parts: htmx asks for them while the page is visible

let isPaused = false;

document.body.addEventListener("htmx:configRequest", ({ detail }) => {
  const tag = detail.elt.dataset.tag;
  if (tag) detail.headers["If-None-Match"] = tag;
});
document.body.addEventListener("htmx:beforeRequest", (event) => {
  // a selected text would be lost with the rows that it is in
  if (document.hidden || isPaused || !getSelection().isCollapsed) event.preventDefault();
});
let focused = null; // the URL of the focused link; htmx keeps the focus of what has an id

document.body.addEventListener("htmx:beforeSwap", ({ detail }) => {
  const now = document.activeElement;
  focused = detail.target.contains(now) && !now.id ? now.getAttribute("href") : null;
});
document.body.addEventListener("htmx:afterSwap", ({ detail }) => {
  detail.target.dataset.tag = detail.xhr.getResponseHeader("ETag") ?? "";
  showTimes(isLocal);
  if (focused) detail.target.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
});

const stale = document.querySelector("[data-stale]");
document.body.addEventListener("htmx:afterRequest", ({ detail }) => {
  stale.hidden = [200, 304].includes(detail.xhr.status); // 0 without an answer
});

const pause = document.querySelector("[data-pause]");
if (pause) {
  pause.hidden = false;
  pause.addEventListener("click", () => {
    isPaused = !isPaused;
    pause.textContent = isPaused ? "Go on" : "Pause";
  });
}

// -- filters: fields that are not filled in are left out of the URL

for (const form of document.querySelectorAll("form.filters")) {
  form.addEventListener("submit", () => {
    for (const one of form.elements) if (one.name && !one.value) one.disabled = true;
  });
  addEventListener("pageshow", () => {
    for (const one of form.elements) one.disabled = false;
  });
}

// On a phone, the form is folded away until it is wanted.
if (matchMedia("(max-width: 760px)").matches) {
  for (const one of document.querySelectorAll("[data-fold]")) one.open = false;
}

// -- the account menu closes with Escape, and by a click elsewhere

const account = document.querySelector(".account");
if (account) {
  addEventListener("click", (event) => {
    if (!account.contains(event.target)) account.open = false;
  });
  addEventListener("keydown", (event) => {
    if (event.key === "Escape" && account.open) {
      account.open = false;
      account.querySelector("summary").focus();
    }
  });
}

// -- a form that acts on ticked rows, and no row is ticked

{
  const form = document.getElementById("act");
  const which = form?.elements.which;
  form?.addEventListener("submit", (event) => {
    if (which.value !== "ticked" || document.querySelector('input[form="act"]:checked')) return;
    event.preventDefault();
    which.setCustomValidity(document.getElementById("nothing-ticked").textContent);
    which.reportValidity();
  });
  document.addEventListener("change", () => which?.setCustomValidity(""));
}

// -- a ticket in the fragment, which reaches no log; no other token: any link may have one

const login = document.querySelector("[data-login]");
if (login) {
  const useTicket = () => {
    if (!/^#fbc_[\w-]{43}$/.test(location.hash)) return;
    login.elements.token.value = location.hash.slice(1);
    history.replaceState(null, "", location.pathname + location.search);
    login.requestSubmit();
  };
  addEventListener("hashchange", useTicket); // pasted while the login is open
  useTicket();
}
