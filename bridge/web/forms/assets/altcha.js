// Solves the proof of work of forms with an element [data-altcha]: the URL of the form's challenge. https://altcha.org/docs/v2/proof-of-work/
// In a worker where the browser lets it have one, else in pieces beside the page. Without this script a form goes without a solution.
(() => {
  "use strict";
  const PIECE = 500; // numbers tried before others have their turn
  const STOPPED = 30000; // milliseconds after which a page that is still here shows its button again: its sending was stopped
  const LOOK = 60000; // milliseconds after which it is looked whether the token and the solution are still good

  const solve = async ({ challenge, salt, maxnumber }, pause) => {
    const encoder = new TextEncoder();
    for (let number = 0; number <= maxnumber; number += 1) {
      const digest = await crypto.subtle.digest("SHA-256", encoder.encode(salt + number));
      const hex = Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
      if (hex === challenge) return number;
      if (pause && number % PIECE === PIECE - 1) await new Promise((resolve) => setTimeout(resolve, 0));
    }
    return null;
  };

  if (typeof document === "undefined") {
    onmessage = async (event) => postMessage(await solve(event.data, false));
    return;
  }

  const source = document.currentScript && document.currentScript.src;

  const apart = (task) =>
    new Promise((resolve, reject) => {
      const worker = new Worker(source);
      const over = (then) => (event) => { worker.terminate(); then(event.data); };
      worker.onmessage = over(resolve);
      worker.onerror = over(reject);
      worker.postMessage(task);
    });

  const number = async (task) => {
    try {
      return await apart(task);
    } catch { // of another site, or not allowed by the page
      return solve(task, true);
    }
  };

  const field = (form, name) => {
    let input = form.elements.namedItem(name);
    if (!input) {
      input = Object.assign(document.createElement("input"), { type: "hidden", name });
      form.append(input);
    }
    return input;
  };

  // Returns two functions: one shows that a form is being sent and lets nothing press its button, one takes that back.
  const busyState = (form) => {
    let shown = null; // the button, and its text
    const idle = () => {
      if (!shown) return;
      const { button, text, timer } = shown;
      clearTimeout(timer);
      shown = null;
      button.disabled = false;
      button.removeAttribute("aria-busy");
      if (button.dataset.busy) button.textContent = text;
    };
    const busy = (given) => {
      const button = given || form.querySelector("button[type=submit], button:not([type])");
      if (shown || !(button instanceof HTMLButtonElement)) return;
      shown = { button, text: button.textContent, timer: null };
      button.disabled = true;
      button.setAttribute("aria-busy", "true");
      if (button.dataset.busy) button.textContent = button.dataset.busy;
    };
    const leaving = (given) => {
      busy(given);
      if (shown) shown.timer = setTimeout(idle, STOPPED);
    };
    return { busy, idle, leaving };
  };

  const attach = (place) => {
    const form = place.closest("form");
    if (!form) return;
    for (const button of form.querySelectorAll("[data-needs-script]")) {
      button.hidden = false;
      button.disabled = false;
    }
    const { busy, idle, leaving } = busyState(form);
    let working = null; // the promise of the solution that is being found, or was
    let goodUntil = 0;

    const work = async () => {
      const url = new URL(place.dataset.altcha, document.baseURI);
      const before = form.elements.namedItem("_token")?.value; // the time since it was given out counts for the new one
      if (before) url.searchParams.set("token", before);
      const answer = await fetch(url, { credentials: "omit" });
      if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
      const task = await answer.json();
      if (task.token) field(form, "_token").value = task.token;
      goodUntil = Date.now() + (task.lasts ? task.lasts * 900 : 300000);
      if (!task.challenge || !globalThis.crypto || !crypto.subtle) return;
      const started = Date.now();
      const found = await number(task);
      if (found === null) return;
      const { algorithm, challenge, salt, signature } = task;
      const solution = { algorithm, challenge, number: found, salt, signature, took: Date.now() - started };
      field(form, "altcha").value = btoa(JSON.stringify(solution));
      place.dataset.state = "solved";
    };

    const begin = () => {
      if (!working || Date.now() > goodUntil) {
        goodUntil = Infinity;
        working = work().catch(() => { goodUntil = 0; });
      }
      return working;
    };

    // A page may stay open for days, in a machine that sleeps meanwhile.
    const look = () => {
      if (Date.now() <= goodUntil) return;
      delete place.dataset.state;
      begin();
    };
    const looking = setInterval(() => (form.isConnected ? look() : clearInterval(looking)), LOOK);
    document.addEventListener("visibilitychange", look);

    let waiting = false;
    let going = false;
    form.addEventListener("submit", (event) => {
      const button = event.submitter;
      if (going || (place.dataset.state === "solved" && Date.now() <= goodUntil)) {
        // Later, since what a disabled button says is not sent, and a script of the page may send the form itself.
        setTimeout(() => { if (!event.defaultPrevented) leaving(button); });
        return;
      }
      event.preventDefault();
      event.stopImmediatePropagation();
      if (waiting) return;
      waiting = true;
      busy(button);
      begin().finally(() => {
        waiting = false;
        idle();
        going = true; // a form without a solution is sent, too: what that means is the server's to say
        try { form.requestSubmit(button); } finally { going = false; }
      });
    }, true);
    const renew = () => {
      working = null;
      goodUntil = 0;
      look();
    };
    // A page that the back button brings again has a token and a solution that were used.
    addEventListener("pageshow", (event) => {
      idle();
      if (event.persisted) renew();
    });
    // So has a form that a script sent, and made empty for the next.
    form.addEventListener("reset", renew);
    begin();
  };

  const start = () => document.querySelectorAll("[data-altcha]").forEach(attach);
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
