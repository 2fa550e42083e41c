"""The JavaScript of forms on other sites."""

from __future__ import annotations

import json
from collections.abc import Mapping

FETCH_SCRIPT = """<script type="module">
  const form = document.getElementById(%(id)s);
  const labels = %(labels)s;
  const status = form.appendChild(document.createElement("p"));
  status.setAttribute("role", "status");
  const button = form.querySelector("button[type=submit]");
  const idle = button.textContent;
  const busy = (is) => {
    button.disabled = is;
    button.textContent = is ? %(sending)s : idle;
    if (is) button.setAttribute("aria-busy", "true");
    else button.removeAttribute("aria-busy");
  };
  const mark = (elements, faults) => {
    for (const element of elements) {
      const fault = (element.name && faults[element.name]) || "";
      element.setCustomValidity?.(fault);
      if (fault) element.setAttribute("aria-invalid", "true");
      else element.removeAttribute("aria-invalid");
    }
  };
  form.addEventListener("input", ({ target }) => {
    mark([...form.elements].filter((one) => one.name === target.name), {});
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    busy(true);
    try {
      const response = await fetch(form.getAttribute("action"), {
        method: "POST",
        headers: { Accept: "application/json" },
        body: new FormData(form),
      });
      const answer = await response.json();
      const faults = answer.fields ?? {};
      const said = Object.entries(faults).map(([name, fault]) => `${labels[name] ?? name}: ${fault}`);
      status.textContent = [answer.message, ...said].join(" ");
      mark(form.elements, faults);
      if (response.ok) {
        form.reset();%(again)s
      } else form.reportValidity();
    } catch {
      status.textContent = %(lost)s;
    } finally {
      busy(false);
    }
  });
  addEventListener("pageshow", () => busy(false));
</script>"""


REACT_COMPONENT = """import { %(hooks)s } from "react";

const LABELS = %(labels)s;

export function %(name)s() {
  const [answer, setAnswer] = useState(null);
  const [busy, setBusy] = useState(false);
  const faults = answer?.fields ?? {};
%(effects)s
  async function send(event) {
    event.preventDefault();
    const form = event.currentTarget;
    setBusy(true);
    try {
      const response = await fetch(form.getAttribute("action"), {
        method: "POST",
        headers: { Accept: "application/json" },
        body: new FormData(form),
      });
      setAnswer(await response.json());
      if (response.ok) {
        form.reset();%(again)s
      }
    } catch {
      setAnswer({ ok: false, message: %(lost)s });
    } finally {
      setBusy(false);
    }
  }

  return (
%(form)s
  );
}
"""


LOAD_SCRIPT_EFFECT = """
  useEffect(() => {
    const script = document.createElement("script");
    script.src = %s;
    document.body.append(script);
    return () => script.remove();
  }, []);
"""


CAPTCHA_EFFECT = """
  useEffect(() => {
%s
    return () => form.removeEventListener("submit", ask, true);
  }, []);
"""


ANSWER_MARKUP = """  {answer && (
    <div role="status">
      <p>{answer.message}</p>
      <ul>
        {Object.entries(faults).map(([name, fault]) => (
          <li key={name}>
            {LABELS[name] ?? name}: {fault}
          </li>
        ))}
      </ul>
    </div>
  )}
"""


def quote(value: str | Mapping[str, str]) -> str:
    """Return a text, or texts by name, as a JavaScript literal that is safe inside HTML."""
    return json.dumps(value, ensure_ascii=False).replace("<", "\\u003c")
