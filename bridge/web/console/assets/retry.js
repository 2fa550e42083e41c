// The page of a store that does not answer asks again by itself, each time after a longer wait,
// while someone looks at it. Without this script its link does so.
"use strict";

{
  const MAX_SECONDS = 60;
  const link = document.querySelector("[data-retry]");
  const note = document.querySelector("[data-wait]");
  let seconds = 2;

  const tryAgain = async () => {
    if (document.hidden) {
      addEventListener("visibilitychange", tryAgain, { once: true });
      return;
    }
    try {
      const answer = await fetch(link.href);
      if (answer.status !== 503) {
        location.reload();
        return;
      }
    } catch {
      // nothing listens: flowbridge is restarted
    }
    seconds = Math.min(seconds * 2, MAX_SECONDS);
    wait();
  };

  const wait = () => {
    note.textContent = `This page tries again in ${seconds} s.`;
    setTimeout(tryAgain, seconds * 1000);
  };

  wait();
}
