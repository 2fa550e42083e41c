"""How our form pages look: it stands in the page, and its Content-Security-Policy has its hash.

Contrast is at least 4.5:1 for text and 3:1 for edges of controls, in light and in dark.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode

from markupsafe import Markup

STYLE = Markup("""
:root {
  color-scheme: light dark;
  --paper: #fff; --ink: #1b1b1f; --soft: #55555f; --edge: #76767f; --accent: #1d4ed8; --on-accent: #fff; --wrong: #b3261e;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #17171b; --ink: #ececf1; --soft: #b4b4be; --edge: #8f8f9a; --accent: #8ab4ff; --on-accent: #10131a; --wrong: #ff9d94;
  }
}
* { box-sizing: border-box; }
body { font: 1.0625rem/1.5 system-ui, sans-serif; margin: 0; background: var(--paper); color: var(--ink); }
main { max-width: 36rem; margin: 0 auto; padding: 2rem 1rem 4rem; overflow-wrap: anywhere; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 1rem; }
h2 { font-size: 1.1875rem; margin: 0; }
a { color: var(--accent); }
.field { margin: 0 0 1.25rem; }
label, legend { font-weight: 600; }
fieldset { border: 0; margin: 0; padding: 0; min-width: 0; }
legend { padding: 0; }
small, .hint { color: var(--soft); font-size: .9375rem; font-weight: 400; }
.hint, .error { margin: 0; }
.error { color: var(--wrong); font-weight: 600; }
input, textarea, select, button { font: inherit; color: inherit; }
input:not([type=checkbox], [type=hidden]), textarea, select {
  display: block; width: 100%; margin-top: .25rem; padding: .5rem .625rem; min-height: 2.75rem;
  background: var(--paper); border: 1px solid var(--edge); border-radius: .375rem;
}
textarea { resize: vertical; }
input[type=checkbox] { width: 1.375rem; height: 1.375rem; margin: 0 .5rem 0 0; vertical-align: -.3rem; accent-color: var(--accent); }
.choice { padding: .3125rem 0; }
.choice label { font-weight: 400; }
[aria-invalid=true]:not(fieldset) { border-color: var(--wrong) !important; border-width: 2px !important; }
button {
  min-height: 2.75rem; padding: .5rem 1.5rem; font-weight: 600; cursor: pointer;
  color: var(--on-accent); background: var(--accent); border: 1px solid var(--accent); border-radius: .375rem;
}
:focus-visible, .summary:focus { outline: 3px solid var(--accent); outline-offset: 2px; }
.summary { margin: 0 0 1.5rem; padding: 1rem; border: 2px solid var(--wrong); border-radius: .375rem; }
.summary p, .summary ul { margin: .5rem 0 0; }
.summary ul { padding-left: 1.25rem; }
button:disabled { cursor: progress; }
@media (forced-colors: active) { button { border-color: ButtonText; } }
""")


def csp_hash(text: str) -> str:
    """Return what a Content-Security-Policy calls an inline style.
    https://www.w3.org/TR/CSP3/#grammardef-hash-source
    """
    return f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


STYLE_HASH = csp_hash(STYLE)
