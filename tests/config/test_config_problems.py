"""Every mistake in routes.yaml: its exact place, and what would be right."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from growth import check_growth
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.config.loader import check
from bridge.config.problems import Report
from bridge.config.yaml_reader import YamlFile, read_yaml
from bridge.core.errors import ConfigError, ConfigProblem

HEAD = "version: 1\nplatforms: {local: {type: local}}\nsources: {f: {provider: form}}\n"
LONG = "0123456789abcdef"
HASH = "sha256:" + "5" * 64
NO_KEY = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

CASES: list[tuple[str, list[str]]] = [
    # the file
    ("", ["1:1: version: `version` is missing"]),
    ("version: 2\n", ["1:10: version: found 2; allowed: 1"]),
    ("version: '1'\n", ["1:10: version: found the text `1`; allowed: 1"]),
    ("[]\n", ["1:1: (file): needs a mapping with version, platforms"]),
    ("text\n", ["1:1: (file): needs a mapping with version"]),
    (
        "version: 1\nrutes: []\n",
        [
            "2:1: rutes: unknown key `rutes`; did you mean `routes`? allowed: version, include,"
            " platforms"
        ],
    ),
    (
        "version: 1\nsources: []\nroutes: {}\n",
        [
            "2:10: sources: needs a mapping, found a list",
            "3:9: routes: needs a list, found a mapping",
        ],
    ),
    (
        f"version: {'[' * 90}\n",
        ["1:70: (file): not YAML: brackets nest more than 60 deep"],
    ),
    ("version: 1\nversion: 1\n", ["2:1: version: duplicate key; first defined in line 1"]),
    (
        "version: 1\n\tx: 1\n",
        ["2:1: (file): not YAML: found character '\\t' that cannot start any token"],
    ),
    (
        "version: 1\nx: a: b\n",
        [
            "2:5: (file): not YAML: mapping values are not allowed here (a text that contains `: `"
            " needs quotes)"
        ],
    ),
    (
        "version: 1\nx: 'a\n",
        [
            "3:1: (file): not YAML: found unexpected end of stream (a quote or bracket is not"
            " closed)"
        ],
    ),
    ("version: 1\nx: *a\n", ["2:4: (file): not YAML: found undefined alias"]),
    (
        "version: 1\nx: @a\n",
        ["2:4: (file): not YAML: found character '@' that cannot start any token"],
    ),
    ("version: 1\nflows: !!python/object:os.system {}\n", ["2:8: flows: the tag"]),
    (
        "version: 1\nflows: {x: !env KEY}\n",
        ["2:12: flows.x: the tag !env has no meaning here", "2:12: flows.x: needs a mapping"],
    ),
    (
        "version: 1\nflows: {x: .inf}\n",
        ["2:12: flows.x: .inf is not a number that JSON can represent"],
    ),
    ("version: 1\n? [a]\n: 1\n", ["2:3: ?: a key must be text"]),
    ("version: 1\n---\nversion: 1\n", ["2:1: (file): not YAML: but found another document"]),
    ("version: 1\ninclude: [nope.yaml]\n", ["2:11: include.0: cannot read"]),
    (
        "version: 1\ninclude: [../x.yaml, /etc/x.yaml, 5]\n",
        [
            "2:11: include.0: `../x.yaml` leads out",
            "2:22: include.1: `/etc/x.yaml` leads out",
            "2:35: include.2: needs the name of a file",
        ],
    ),
    # quotes that are missing
    (
        HEAD + "routes:\n  - {name: a, on: f, flow: local/x, inputs: {t: ${body.x}}}\n",
        ["5:50: (file): a ${…} inside { } or [ ] needs quotes"],
    ),
    (
        HEAD + "routes:\n  - name: a\n    on: f\n    flow: local/x\n    inputs: {t: [${body.x}]}\n",
        ["8:19: (file): a ${…} inside { } or [ ] needs quotes"],
    ),
    (
        HEAD
        + "routes:\n  - name: a\n    on: f\n    flow: local/x\n    inputs:\n      t: #${body.x}\n",
        ["9:7: routes[a].inputs.t: a value is missing: if its text begins with #, quote it"],
    ),
    (
        HEAD
        + "routes:\n  - name: a\n    on: f\n    flow: local/x\n    inputs:\n      t: ~\n      u:"
        " null\n",
        [
            "9:10: routes[a].inputs.t: an input without a value",
            "10:10: routes[a].inputs.u: an input without a value",
        ],
    ),
    (
        HEAD + "routes:\n  - name: a\n    on: f\n    flow: local/x\n    inputs:\n      t: ${body.x}"
        " #${body.y}\n",
        [
            "9:10: routes[a].inputs.t: the text ends where # begins a comment, found ${body.x};"
            " quote it"
        ],
    ),
    (
        HEAD
        + "routes:\n  - name: a\n    on: f\n    flow: local/x\n    inputs:\n      t: ${join(' # ',"
        " body.l)}\n",
        [
            "9:10: routes[a].inputs.t: a ${ without a closing }; a text that contains # or a quote"
            " needs quotes"
        ],
    ),
    # ${env:…} where it has no place
    (
        HEAD + "routes:\n  - {name: '${env:X}', on: f, flow: local/x, inputs: {a: '${env:X}'}}\n",
        [
            (
                "5:12: routes.0.name: ${env:…} and ${file:…} are filled in only under platforms and"
                " in secret, secrets, verify and a captcha's secret"
            ),
            "5:58: routes.0.inputs.a: ${env:…} and ${file:…} are filled in only",
        ],
    ),
    (
        "version: 1\nsources: {f: {provider: form, redirect: '${env:X}'}}\n",
        ["2:41: sources.f.redirect: ${env:…} and ${file:…}"],
    ),
    (
        "version: 1\nsources: {g: {provider: github, secret: '${X}'}}\n",
        ["2:41: sources.g.secret: ${X} has no meaning here; did you mean ${env:X}?"],
    ),
    (
        "version: 1\nsources: {g: {provider: github, secret: '${env:X'}}\n",
        ["2:41: sources.g.secret: a ${ without a closing }"],
    ),
    (
        "version: 1\nsources: {g: {provider: github, secret: '${env:A B}'}}\n",
        ["2:41: sources.g.secret: `A B` is not the name"],
    ),
    (
        "version: 1\nsources: {g: {provider: github, secret: '${env:NOPE}'}}\n",
        ["2:41: sources.g.secret: environment variable NOPE is not set"],
    ),
    (
        "version: 1\nsources: {g: {provider: github, secret: '${file:nope}'}}\n",
        ["2:41: sources.g.secret: file nope cannot be read"],
    ),
    # platforms
    (
        "version: 1\nplatforms: {g: {}}\n",
        ["2:13: platforms.g.type: `type` is missing; allowed: gumloop, local, http"],
    ),
    ("version: 1\nplatforms: {g: 5}\n", ["2:16: platforms.g: needs a mapping, found 5"]),
    (
        "version: 1\nplatforms: {g: {type: gumlop}}\n",
        ["2:23: platforms.g.type: found `gumlop`; did you mean `gumloop`?"],
    ),
    (
        "version: 1\nplatforms: {g: {type: gumloop}}\n",
        [
            "2:13: platforms.g.api_key: `api_key` is missing",
            "2:13: platforms.g.user_id: `user_id` is missing",
        ],
    ),
    (
        "version: 1\nplatforms: {g: {type: gumloop, api_key: '', user_id: u}}\n",
        ["2:41: platforms.g.api_key: must not be empty"],
    ),
    (
        (
            "version: 1\nplatforms:\n  g: {type: gumloop, api_key: k, user_id: u, base_url:"
            " 'http://example.com'}\n"
        ),
        [
            "3:56: platforms.g.base_url: http:// is allowed only for this machine (127.0.0.1, ::1,"
            " localhost), because the API key would be sent unencrypted"
        ],
    ),
    (
        (
            "version: 1\nplatforms:\n  g: {type: gumloop, api_key: k, user_id: u, base_url:"
            " 'http://127.0.0.1.example.com'}\n"
        ),
        ["3:56: platforms.g.base_url: http:// is"],
    ),
    (
        (
            "version: 1\nplatforms:\n  g: {type: gumloop, api_key: k, user_id: u, base_url:"
            " 'ftp://x'}\n"
        ),
        ["3:56: platforms.g.base_url: needs a URL"],
    ),
    (
        (
            "version: 1\nplatforms:\n  g: {type: gumloop, api_key: k, user_id: u, base_url:"
            " 'https://a:b@x'}\n"
        ),
        ["3:56: platforms.g.base_url: must not hold user"],
    ),
    (
        "version: 1\nplatforms:\n  h: {type: http, url: 'http://10.0.0.1/x'}\n",
        ["3:24: platforms.h.url: http:// is allowed only for this machine"],
    ),
    (
        "version: 1\nplatforms:\n  h: {type: http, url: 'https://x', method: GET}\n",
        ["3:45: platforms.h.method: found `GET`; allowed: POST, PUT, PATCH"],
    ),
    (
        (
            "version: 1\nplatforms:\n  h: {type: http, url: 'https://x', headers: {Host: a, X:"
            ' "a\\nb"}}\n'
        ),
        [
            "3:47: platforms.h.headers.Host: `Host` is not a header that can be set",
            "3:59: platforms.h.headers.X: a header's value is one line",
        ],
    ),
    (
        "version: 1\nplatforms: {l: {type: local, timeout: 30, max_concurrent_runs: 0}}\n",
        [
            (
                "2:39: platforms.l.timeout: `30` is not a duration; allowed: a number and a unit"
                " (ms s m h d), like 30s or 6h"
            ),
            "2:64: platforms.l.max_concurrent_runs: must be at least 1, found 0",
        ],
    ),
    (
        "version: 1\nplatforms: {l: {type: local, api_key: x}}\n",
        ["2:30: platforms.l.api_key: unknown key `api_key`; allowed: max_concurrent_runs, timeout"],
    ),
    (
        "version: 1\nplatforms: {l: {type: local, keys: x, overflow: drop}}\n",
        [
            "2:36: platforms.l.keys: needs a list, found text",
            "2:49: platforms.l.overflow: found `drop`; allowed: queue, reject",
        ],
    ),
    (
        "version: 1\nplatforms: {l: {type: local, keys: [{name: a}, {nam: a, hash: x}, KEY]}}\n",
        [
            "2:37: platforms.l.keys.0.hash: `hash` is missing",
            "2:48: platforms.l.keys.1.name: `name` is missing",
            (
                "2:49: platforms.l.keys.1.nam: unknown key `nam`; did you mean `name`? allowed:"
                " name, hash, user_id, flows"
            ),
            "2:67: platforms.l.keys.2: needs a mapping, found text",
        ],
    ),
    (
        f"version: 1\nplatforms: {{l: {{type: local, keys: [{{name: a, hash: {LONG}}}]}}}}\n",
        [
            "2:53: platforms.l.keys.0.hash: needs sha256: and the 64 digits that `printf %s KEY |"
            " sha256sum` prints"
        ],
    ),
    (
        (
            f"version: 1\nplatforms: {{l: {{type: local, keys: [{{name: a, hash: '{HASH}'}},"
            f" {{name: a, hash: '{HASH}'}}]}}}}\n"
        ),
        [
            "2:136: platforms.l.keys.1.name: the name `a` is used twice",
            "2:145: platforms.l.keys.1.hash: the same key as `a`",
        ],
    ),
    (
        (
            f"version: 1\nplatforms: {{l: {{type: local, keys: [{{name: a b, hash: '{NO_KEY}',"
            " user_id: 'a b', flows: []}]}}\n"
        ),
        ["2:153: platforms.l.keys.0.flows: needs at least one entry"],
    ),
    (
        (
            f"version: 1\nplatforms: {{l: {{type: local, keys: [{{name: a b, hash: '{NO_KEY}',"
            " user_id: 'a b', flows: ['']}]}}\n"
        ),
        [
            "2:44: platforms.l.keys.0.name: `a b` is not a name; allowed: letters, digits, - _ .",
            "2:55: platforms.l.keys.0.hash: this is the hash of an empty key",
            (
                "2:139: platforms.l.keys.0.user_id: needs 1 to 100 ASCII letters, digits or signs,"
                " without blanks"
            ),
            "2:154: platforms.l.keys.0.flows.0: must not be empty",
        ],
    ),
    (
        (
            f"version: 1\nplatforms:\n  l: {{type: local, keys: [{{name: a, hash: '{HASH}', flows:"
            " [h, x]}]}\n  h: {type: http, url: 'https://x'}\nflows: {h: {platform: h,"
            " saved_item_id: x}}\n"
        ),
        ["3:126: platforms.l.keys.0.flows.0: the flow `h` is on the platform `h`, not on `l`"],
    ),
    (
        "version: 1\nplatforms: {a: {type: local}, b: {type: local}}\n",
        ["2:31: platforms.b: `a` is of type local already; there can be one"],
    ),
    (
        "version: 1\nplatforms: {'a b': {type: local}}\n",
        ["2:13: platforms.a b: `a b` is not a name"],
    ),
    # sources
    ("version: 1\nsources: {g: {}}\n", ["2:11: sources.g.provider: `provider` is missing"]),
    (
        f"version: 1\nsources: {{g: {{provider: gihtub, secret: {LONG}}}}}\n",
        [
            "2:25: sources.g.provider: no provider `gihtub`; did you mean `github`? `flowbridge"
            " providers` lists all"
        ],
    ),
    (
        "version: 1\nsources: {g: {provider: github}}\n",
        ["2:11: sources.g: has no secret, so anyone could send"],
    ),
    (
        "version: 1\nsources: {g: {provider: github, secret: ''}}\n",
        ["2:41: sources.g.secret: an empty secret"],
    ),
    (
        "version: 1\nsources: {g: {provider: github, secrets: []}}\n",
        ["2:42: sources.g.secrets: needs at least one entry"],
    ),
    (
        f"version: 1\nsources: {{g: {{provider: github, secret: {LONG}, secrets: [{LONG}]}}}}\n",
        ["2:59: sources.g.secrets: either `secret` or `secrets`"],
    ),
    (
        f"version: 1\nsources: {{g: {{provider: github, secret: {LONG}, insecure: true}}}}\n",
        ["2:59: sources.g.insecure: either a secret or"],
    ),
    (
        (
            f"version: 1\nsources: {{g: {{provider: github, secrets: [{{value: {LONG}, not_after:"
            " soon}]}}\n"
        ),
        [
            "2:80: sources.g.secrets.0.not_after: `soon` is not a date; allowed: 2027-01-01 or"
            " 2027-01-01T12:00:00Z"
        ],
    ),
    (
        f"version: 1\nsources: {{g: {{provider: github, secrets: [{{valu: {LONG}}}]}}}}\n",
        [
            "2:43: sources.g.secrets.0.value: `value` is missing",
            "2:44: sources.g.secrets.0.valu: unknown key `valu`; did you mean `value`?",
        ],
    ),
    (
        (
            f"version: 1\nsources: {{g: {{provider: github, secret: {LONG}, verify: {{header:"
            " X}}}\n"
        ),
        [
            "2:59: sources.g.verify: `verify` is only for the providers hmac, token; github has a"
            " scheme of its own"
        ],
    ),
    (
        (
            f"version: 1\nsources: {{g: {{provider: github, secret: {LONG}, redirect: x,"
            " allowed_origins: [], schema: {a: 1}}}\n"
        ),
        [
            "2:59: sources.g.redirect: `redirect` is only for the provider form",
            "2:72: sources.g.allowed_origins: `allowed_origins` is only",
            "2:93: sources.g.schema: `schema` is only",
        ],
    ),
    (
        "version: 1\nsources: {f: {provider: form, secret: x, insecure: true}}\n",
        [
            "2:31: sources.f.secret: forms are public by nature",
            "2:42: sources.f.insecure: forms are public by nature",
        ],
    ),
    (
        (
            "version: 1\nsources: {f: {provider: form, redirect: /x, allowed_origins:"
            " ['https://x/y', '*']}}\n"
        ),
        [
            "2:41: sources.f.redirect: needs a URL",
            "2:63: sources.f.allowed_origins.0: needs an origin",
            "2:78: sources.f.allowed_origins.1: needs an origin",
        ],
    ),
    (
        "version: 1\nsources: {f: {provider: form, schema: {type: strin}}}\n",
        ["2:46: sources.f.schema.type: not a JSON Schema: $.type"],
    ),
    (
        "version: 1\nsources: {f: {provider: form, schema: 5}}\n",
        ["2:39: sources.f.schema: needs the path of a schema file, or a schema, found 5"],
    ),
    (
        f"version: 1\nsources: {{h: {{provider: hmac, secret: {LONG}}}}}\n",
        ["2:11: sources.h: the provider hmac needs `verify`"],
    ),
    (
        f"version: 1\nsources: {{h: {{provider: hmac, secret: {LONG}, verify: {{}}}}}}\n",
        ["2:65: sources.h.verify: needs one of header, query, found 0"],
    ),
    (
        (
            f"version: 1\nsources: {{h: {{provider: hmac, secret: {LONG}, verify: {{header: X,"
            " algoritm: sha1, encoding: hx}}}\n"
        ),
        [
            "2:77: sources.h.verify.algoritm: unknown key `algoritm`; did you mean `algorithm`?",
            "2:103: sources.h.verify.encoding: found `hx`; did you mean `hex`?",
        ],
    ),
    (
        (
            f"version: 1\nsources: {{h: {{provider: hmac, secret: {LONG}, verify: {{header: X,"
            " signed: '{bdy}'}}}\n"
        ),
        ["2:65: sources.h.verify: signed '{bdy}'"],
    ),
    (
        (
            f"version: 1\nsources: {{h: {{provider: hmac, secret: {LONG}, verify: {{header: X,"
            " signed: '{timestamp}{body}'}}}\n"
        ),
        [
            "2:65: sources.h.verify: signed '{timestamp}{body}': {timestamp} needs a `timestamp`"
            " that says where the time is"
        ],
    ),
    (
        (
            f"version: 1\nsources: {{h: {{provider: hmac, secret: {LONG}, verify: {{header: X,"
            " separator: ;}}}\n"
        ),
        [
            "2:65: sources.h.verify: `separator` belongs to a list, which needs the `label` of the"
            " signature too"
        ],
    ),
    (
        (
            f"version: 1\nsources: {{h: {{provider: hmac, secret: {LONG}x, verify: {{header: X,"
            " key: hex}}}\n"
        ),
        ["2:39: sources.h.secret: the secret must be hexadecimal text"],
    ),
    (
        (
            f"version: 1\nsources: {{t: {{provider: token, secret: {LONG}, verify: {{header: X,"
            " algorithm: sha1}}}\n"
        ),
        ["2:78: sources.t.verify.algorithm: `algorithm` is for the provider hmac"],
    ),
    (
        f"version: 1\nsources: {{b: {{provider: basic, secret: {LONG}}}}}\n",
        ["2:40: sources.b.secret: the secret must be user:password"],
    ),
    (
        (
            f"version: 1\nsources: {{g: {{provider: github, secret: {LONG}, rate: 60/minn, dedup:"
            " ids, max_body: 5 MXB, event_type: hdr:x}}\n"
        ),
        [
            (
                "2:65: sources.g.rate: `60/minn` is not a rate; allowed: a number above 0 and a"
                " period, like 60/min, 10/s or 5/h"
            ),
            "2:81: sources.g.dedup: found `ids`; did you mean `id`? allowed: id, body, none",
            "2:96: sources.g.max_body: `5 MXB` is not a size; allowed: bytes",
            "2:115: sources.g.event_type: 'hdr:x' is not a locator",
        ],
    ),
    (
        (
            f"version: 1\nsources: {{g: {{provider: github, secret: {LONG}, rate: 5/s and 1/s per"
            " address}}\n"
        ),
        ["2:65: sources.g.rate: a rate per address is only for forms"],
    ),
    (
        (
            f"version: 1\nsources: {{g: {{provider: github, secret: {LONG}, split: body, expect: x,"
            " redact: [], pins: {}}}\n"
        ),
        [
            (
                "2:80: sources.g.expect: `x` is not an expected rate; allowed: a number above 0"
                " and a duration, like 1 per 6h, or none"
            ),
            "2:91: sources.g.redact: needs at least one text, found a list",
        ],
    ),
    (
        f"version: 1\nsources: {{g: {{provider: github, secret: {LONG}, retention: 3d}}}}\n",
        [
            "2:70: sources.g.retention: `events` are stored for `3d`; allowed: at least 4d, or forever"
        ],
    ),
    (
        (
            f"version: 1\nsources: {{g: {{provider: github, secret: {LONG}, retention: {{event:"
            " 30d}}}\n"
        ),
        [
            "2:70: sources.g.retention: `event` is not a kind of stored data; allowed: events,"
            " bodies, rejects, runs"
        ],
    ),
    (
        (
            f"version: 1\nsources: {{g: {{provider: github, secret: {LONG}, retention: {{events:"
            " 5d, bodies: 6d}}}\n"
        ),
        ["2:70: sources.g.retention: `bodies` cannot be stored longer than their events (5d)"],
    ),
    (
        "version: 1\nretention: 30\n",
        [
            "2:12: retention: `30` is not a retention period; allowed: a number and a unit (h"
            " d), like 30d, or forever"
        ],
    ),
    (
        f"version: 1\nsources: {{g: {{provider: github, secret: {LONG}, split: body:a..b}}}}\n",
        [
            "2:66: sources.g.split: `body:a..b` is not the place of a list; write body:PATH, or body"
            " where the body is the list"
        ],
    ),
    (
        f"version: 1\nsources: {{g: {{provider: github, secret: {LONG}, pins: {{topic: x}}}}}}\n",
        ["2:65: sources.g.pins: 'topic' cannot be pinned; allowed: nothing"],
    ),
    (
        "version: 1\nsources: {'a/b': {provider: form}}\n",
        ["2:11: sources.a/b: `a/b` is not a name for a URL"],
    ),
    # flows
    (
        HEAD + "flows: {a: {platform: loca, saved_item_id: x}}\n",
        ["4:23: flows.a.platform: no platform `loca`; did you mean `local`? allowed: local"],
    ),
    (
        HEAD + "flows: {a: {platform: local}}\n",
        ["4:9: flows.a.saved_item_id: `saved_item_id` is missing"],
    ),
    (
        HEAD + "flows: {a: {platform: local, saved_item_id: x, exclusive: maybe}}\n",
        ["4:59: flows.a.exclusive: needs true or false, found `maybe`"],
    ),
    (
        HEAD + "flows: {a: {platform: local, saved_item_id: x, time_limit: 30, memory: 256XB}}\n",
        [
            (
                "4:60: flows.a.time_limit: `30` is not a duration; allowed: a number and a unit (ms"
                " s m h d), like 30s or 6h"
            ),
            (
                "4:72: flows.a.memory: `256XB` is not a size; allowed: bytes, or a number and a"
                " unit (KB MB GB KiB MiB GiB), like 256MB"
            ),
        ],
    ),
    (
        HEAD + "flows: {a: {platform: local, saved_item_id: x, memory: 1KB}, b: {platform: local,"
        " saved_item_id: x, memory: true}}\n",
        [
            "4:56: flows.a.memory: `1KB` is out of range; allowed: 1 MiB to 1024 GiB",
            "4:109: flows.b.memory: `true` is not a size",
        ],
    ),
    (
        HEAD
        + "flows:\n  a: {platform: local, saved_item_id: x, memory: 1GB}\n  b: {platform: local,"
        " saved_item_id: x, time_limit: 1s}\n  c: {platform: local, saved_item_id: x, memory:"
        " 2GB, time_limit: 1s}\n",
        ["7:50: flows.c.memory: `a` is the same saved flow and has another `memory`"],
    ),
    (
        (
            "version: 1\nplatforms: {h: {type: http, url: 'https://x'}}\nflows: {a: {platform: h,"
            " saved_item_id: x, time_limit: 1s, memory: 1GB}}\n"
        ),
        [
            (
                "3:44: flows.a.time_limit: `time_limit` is only for flows of a platform of type"
                " local; `h` is of type http"
            ),
            "3:60: flows.a.memory: `memory` is only for flows of a platform of type local",
        ],
    ),
    # routes
    (
        HEAD + "routes:\n  - {}\n",
        [
            "5:5: routes.0.name: `name` is missing",
            "5:5: routes.0.flow: `flow` is missing",
        ],
    ),
    (
        HEAD + "routes:\n  - {name: a, on: f, flow: local/x, mach: {a: 1}}\n",
        ["5:37: routes[a].mach: unknown key `mach`; did you mean `match`?"],
    ),
    (
        HEAD + "routes:\n  - {name: a, on: f, flow: local/x, zzzz: 1}\n",
        ["5:37: routes[a].zzzz: unknown key `zzzz`; the nearest of "],
    ),
    (HEAD + "routes: [5]\n", ["4:10: routes.0: needs a mapping, found 5"]),
    (
        HEAD + "routes:\n  - {name: A b, on: f, flow: local/x}\n",
        ["5:12: routes.0.name: `A b` is not a route's name; allowed: a-z 0-9 _ -"],
    ),
    (
        HEAD
        + "routes:\n  - {name: a, on: f, flow: local/x}\n  - {name: a, on: f, flow: local/x}\n",
        ["6:12: routes[a].name: two routes are called `a`; the other is in line 5"],
    ),
    (
        HEAD + "routes:\n  - {name: a, on: ff x, flow: local/x, inputs: {a: 1}}\n",
        ["5:19: routes[a].on: no source `ff`; did you mean `f`? allowed: f"],
    ),
    (
        HEAD + "routes:\n  - {name: a, flow: local/x, inputs: {a: 1}}\n",
        ["5:5: routes[a]: has neither `on` nor `source`"],
    ),
    (
        HEAD + "routes:\n  - {name: a, on: f, source: f, flow: local/x}\n",
        ["5:22: routes[a].source: has both `on` and `source`"],
    ),
    (
        HEAD + "routes:\n  - {name: a, on: 'f x,,y', flow: local/x}\n",
        ["5:19: routes[a].on: a type is empty"],
    ),
    (
        HEAD + "routes:\n  - {name: a, on: f x, match: {event: y}, flow: local/x}\n",
        ["5:32: routes[a].match.event: `on` has the types already"],
    ),
    (
        HEAD + "routes:\n  - {name: a, on: f, match: {event: {}}, flow: local/x}\n",
        ["5:37: routes[a].match.event: needs a type or a list of types"],
    ),
    (
        HEAD + "routes:\n  - {name: a, on: f, match: {event: null}, flow: local/x}\n",
        ["5:37: routes[a].match.event: needs a type or a list of types, found nothing"],
    ),
    (
        HEAD + "routes:\n  - {name: a, on: f, flow: triag}\nflows: {triage: {platform: local,"
        " saved_item_id: x}}\n",
        [
            "5:28: routes[a].flow: no flow `triag`; did you mean `triage`? allowed: triage, or"
            " PLATFORM/SAVED_ITEM_ID"
        ],
    ),
    (
        HEAD + "routes:\n  - {name: a, on: f, flow: loca/x}\n",
        ["5:28: routes[a].flow: no platform `loca`; did you mean `local`?"],
    ),
    (
        HEAD + "routes:\n  - {name: a, on: f, flow: local/}\n",
        ["5:28: routes[a].flow: needs PLATFORM/SAVED_ITEM_ID"],
    ),
    (
        HEAD
        + "routes:\n  - {name: a, on: g, flow: local/x}\n".replace("{{", "{").replace("}}", "}"),
        ["5:19: routes[a].on: no source `g`"],
    ),
    (
        (
            "version: 1\nplatforms: {l: {type: local}}\nsources: {g: {provider: github,"
            f" secret: {LONG}}}}}\nroutes:\n  - {{name: a, on: g, flow: l/x}}\n"
        ),
        ["5:5: routes[a].inputs: `inputs` is missing; write a mapping, or inputs: ${body}"],
    ),
    (
        HEAD + "routes:\n  - {name: a, on: f, flow: local/x, inputs: text}\n",
        ["5:45: routes[a].inputs: `inputs` must be a mapping of names to values, or one ${…}"],
    ),
    (
        HEAD + "routes:\n  - {name: a, on: f, flow: local/x, inputs: [1]}\n",
        ["5:45: routes[a].inputs: needs a mapping of inputs, or one ${…}"],
    ),
    (
        HEAD + "routes:\n  - {name: a, on: f, flow: local/x, inputs: {API_key: 1, b: '${bdy.x}', c:"
        " ['${lowr(body)}']}}\n",
        [
            "5:55: routes[a].inputs.API_key: the platform reserves the name API_key",
            "5:61: routes[a].inputs.b: in `bdy.x`: `bdy` is not a root; did you mean `body`?",
            (
                "5:77: routes[a].inputs.c.0: in `lowr(body)`: no function `lowr`; did you mean"
                " `lower`?"
            ),
        ],
    ),
    (
        HEAD
        + "routes:\n  - name: a\n    on: f\n    flow: local/x\n    match:\n      bdy.x: 1\n     "
        ' body.y: {gtt: 1, gt: true}\n      any: [{body.z: {in: 5}}]\n    when: body.a == "x"\n',
        [
            "9:14: routes[a].match.bdy.x: `bdy` is not a root; did you mean `body`?",
            "10:21: routes[a].match.body.y.gtt: no operator `gtt`; did you mean `gt`?",
            "10:28: routes[a].match.body.y.gt: `gt` needs number or string, found boolean",
            "11:27: routes[a].match.any.0.body.z.in: `in` needs array, found number",
            (
                '12:11: routes[a].when: in `body.a == "x"`: "x" in double quotes is the name of a'
                " field"
            ),
        ],
    ),
    (
        HEAD + "routes:\n  - {name: a, on: f, flow: local/x, match: {}, when: true}\n",
        [
            "5:44: routes[a].match: `match` is empty; leave it out to match every event",
            "5:54: routes[a].when: needs text, found true",
        ],
    ),
    (
        HEAD
        + "routes:\n  - {name: a, on: f, flow: local/x, payload_schema: nope.json, inputs_schema:"
        " {properties: {a: {pattern: '('}}}}\n",
        [
            "5:53: routes[a].payload_schema: cannot read",
            "5:106: routes[a].inputs_schema.properties.a.pattern: not a regular expression",
        ],
    ),
    (
        HEAD + "routes:\n  - {name: a, on: f, flow: local/x, payload_schema: {items: {$ref:"
        " '../x.json'}}, inputs_schema: {$ref: 'http://x'}}\n",
        [
            "5:68: routes[a].payload_schema.items.$ref: $ref `../x.json` leads out of the folder",
            (
                "5:105: routes[a].inputs_schema.$ref: $ref `http://x`: only files under the folder"
                " of routes.yaml are read, never a URL"
            ),
        ],
    ),
    (
        HEAD
        + "routes:\n  - {name: a, on: f, flow: local/x, mode: pause, reserved: allow, strict: yes,"
        " run_timeout: 1 hour}\n",
        [
            (
                "5:43: routes[a].mode: found `pause`; did you mean `paused`? allowed: live, paused,"
                " shadow"
            ),
            "5:60: routes[a].reserved: found `allow`; allowed: refuse, drop",
            "5:75: routes[a].strict: needs true or false, found `yes`",
            "5:93: routes[a].run_timeout: `1 hour` is not a duration",
        ],
    ),
    (
        HEAD
        + "routes:\n  - {name: a, on: f, flow: local/x, retry: {attempts: 0, first: 5, mx: 1h}}\n",
        [
            "5:55: routes[a].retry.attempts: must be at least 1, found 0",
            "5:65: routes[a].retry.first: `5` is not a duration",
            (
                "5:68: routes[a].retry.mx: unknown key `mx`; did you mean `max`? allowed: attempts,"
                " first, max"
            ),
        ],
    ),
    (
        HEAD + "routes:\n  - {name: a, on: f, flow: local/x, retry: {first: 2h, max: 1h}}\n",
        ["5:44: routes[a].retry: `first` is longer than `max`"],
    ),
    *(
        (
            HEAD + f"routes:\n  - {{name: a, on: f, flow: local/x, {written}}}\n",
            [f"5:{column}: routes[a].{problem}"],
        )
        for written, column, problem in (
            ("order_by: x", 47, "order_by: "),
            ('order_by: body.a == "b"', 47, "order_by: "),
            (
                "order_by: body.a, order_until: done",
                68,
                "order_until: found `done`; allowed: run_end, delivered",
            ),
            (
                "order_until: delivered",
                37,
                "order_until: `order_until` needs `order_by`, which is missing",
            ),
            ("on_dead: block", 37, "on_dead: `on_dead` needs `order_by`, which is missing"),
            ("delay: 30", 44, "delay: `30` is not a duration"),
            ("debounce: 30s", 47, "debounce: needs a mapping, found `30s`"),
            ("debounce: {key: body.a}", 37, "debounce.wait: `wait` is missing"),
            ("debounce: {wait: 30s, max: 10s}", 47, "debounce: `wait` is longer than `max`"),
            ("debounce: {wait: 30s, key: bod.a}", 64, "debounce.key: "),
            (
                "debounce: {wait: 30s, kye: body.a}",
                59,
                "debounce.kye: unknown key `kye`; did you mean `key`? allowed: wait, max, key",
            ),
            (
                "debounce: {wait: 30s}, order_by: body.a",
                60,
                "order_by: `order_by` cannot be used with `debounce`",
            ),
            (
                "debounce: {wait: 30s}, delay: 1s",
                60,
                "delay: `delay` cannot be used with `debounce`",
            ),
            ("on_unknown: guess", 49, "on_unknown: found `guess`; allowed: reconcile, hold, retry"),
            ("rate: 30 per minute", 43, "rate: `30 per minute` is not a rate"),
            ("rate: 30", 43, "rate: `30` is not a rate"),
            ("rate: true", 43, "rate: `true` is not a rate"),
            ("rate: 30/min and 3/min per address", 43, "rate: "),
            ("max_runs_per_day: 0", 55, "max_runs_per_day: must be at least 1, found 0"),
            ("max_concurrent_runs: x", 58, "max_concurrent_runs: needs a whole number, found `x`"),
            (
                "on_run_failed: x",
                52,
                (
                    "on_run_failed: `x` is not known here; allowed: ignore, dead, or retry: 1 to"
                    " retry: 100"
                ),
            ),
            ("on_run_failed: {retry: 0}", 52, "on_run_failed: this is not known here"),
            ("on_run_failed: {retry: true}", 52, "on_run_failed: this is not known here"),
        )
    ),
    *(
        (
            (
                "version: 1\nplatforms: {h: {type: http, url: 'https://x'}}\nsources: {f:"
                f" {{provider: form}}}}\nroutes:\n  - {{name: a, on: f, flow: h/x, {written}}}\n"
            ),
            [f"5:{column}: routes[a].{problem}"],
        )
        for written, column, problem in (
            (
                "on_unknown: reconcile",
                45,
                "on_unknown: the platform `h` (http) has no runs to search for; allowed: hold, retry",
            ),
            (
                "on_run_failed: dead",
                33,
                "on_run_failed: the platform `h` (http) has no runs that could fail",
            ),
        )
    ),
]


def problems(tmp_path, text: str) -> list[ConfigProblem]:
    file = tmp_path / "routes.yaml"
    file.write_text(text)
    config, found = check(file, {})
    assert (config is None) == any(problem.level == "error" for problem in found)
    return found


def name(case):
    return repr(case)[-60:] if isinstance(case, str) else ""


@pytest.mark.parametrize(("text", "expected"), CASES, ids=name)
def test_a_mistake_is_reported_at_its_place(tmp_path, text, expected):
    found = [
        str(each).removeprefix(f"{tmp_path / 'routes.yaml'}:")
        for each in problems(tmp_path, text)
        if each.level == "error"
    ]
    left = list(found)
    for start in expected:
        match = next((each for each in left if each.startswith(start)), None)
        assert match is not None, f"{start!r} not among {found}"
        left.remove(match)
    assert left == []


def test_an_unknown_key_of_many_does_not_list_them_all(tmp_path):
    (one,) = problems(
        tmp_path, HEAD + "routes:\n  - {name: a, on: f, flow: local/x, mach: {a: 1}}\n"
    )
    assert one.path == "routes.0.mach", "the path of JSON stays as it was"
    assert one.message == "unknown key `mach`; did you mean `match`?"
    (one,) = problems(tmp_path, HEAD + "routes:\n  - {name: a, on: f, flow: local/x, zzzz: 1}\n")
    assert one.message.count(",") == 4 and "flowbridge schema" in one.message


WARNINGS = [
    (
        "version: 1\nsources: {f: {provider: form}}\n",
        ["2:11: sources.f: no route uses this source"],
    ),
    (
        "version: 1\nsources: {g: {provider: github, secret: short}}\n",
        [
            "2:11: sources.g: no route uses this source",
            "2:41: sources.g.secret: a short secret can be guessed: found 5 characters; use",
            (
                "2:41: sources.g.secret: this secret is readable by anyone with access to this file:"
                " put it into .env as G_WEBHOOK_SECRET and write ${env:"
            ),
        ],
    ),
    (
        "version: 1\nplatforms:\n  h: {type: http, url: 'https://example.com', headers: {A: Zoë, B: 5 €}}\n"
        "  g: {type: gumloop, base_url: 'http://127.0.0.1', user_id: u, api_key: \"a\\nb\"}\n",
        [
            "3:68: platforms.h.headers.B: has a character that no HTTP header can hold, so that no",
            "4:73: platforms.g.api_key: has a character that no HTTP header can hold, so that no run",
        ],
    ),
]


@pytest.mark.parametrize(("text", "expected"), WARNINGS, ids=name)
def test_warnings_do_not_stop_the_load(tmp_path, text, expected):
    found = problems(tmp_path, text)
    assert [each.level for each in found] == ["warning"] * len(expected)
    for problem, start in zip(found, expected, strict=True):
        assert str(problem).removeprefix(f"{tmp_path / 'routes.yaml'}:").startswith(start)


def test_problems_come_in_the_order_of_the_file(tmp_path):
    text = (
        HEAD
        + "routes:\n  - {name: A, on: x, flow: y, mode: z, inputs: {a: '${q}'}}\n  - {name: B, on:"
        " x, flow: y}\n"
    )
    found = problems(tmp_path, text)
    assert found == sorted(found)
    assert len(found) >= 7


def test_the_error_text_is_one_line_each(tmp_path):
    from bridge.config.loader import load

    file = tmp_path / "routes.yaml"
    file.write_text("version: 2\nx: 1\n")
    with pytest.raises(ConfigError) as caught:
        load(file, {})
    assert str(caught.value).splitlines() == [
        f"{file}:1:10: version: found 2; allowed: 1",
        (
            f"{file}:2:1: x: unknown key `x`; allowed: version, include, platforms, sources, flows,"
            " routes, retention"
        ),
    ]


lines = st.sampled_from(
    [
        "version: 1",
        "platforms:",
        "  l: {type: local}",
        "  g:",
        "    type: gumloop",
        "sources:",
        "  f: {provider: form}",
        "  g:",
        "    provider: github",
        "    secret: '${env:X}'",
        "flows:",
        "  a: {platform: l, saved_item_id: x}",
        "routes:",
        "  - name: a",
        "    on: f",
        "    flow: a",
        "    inputs: ${form}",
        "    inputs:",
        "      x: ${body.x}",
        "      y: [1, {a: '${body'}]",
        "    match: {body.x: {gt: 1}}",
        "    match: 5",
        "    retry: {}",
        "    retry:",
        "include: []",
        "- a",
        "  ? b",
        "&a x",
        "*a",
        "{",
        "}",
        "<<: *a",
        "    payload_schema: {type: object}",
        "    when: body.x",
        "    verify: {header: X}",
        "    secrets: [{value: x}, 5, null]",
        "",
    ]
)


@given(st.lists(lines, max_size=14).map("\n".join))
@settings(max_examples=400, deadline=None)
def test_whatever_is_written_is_a_configuration_or_has_problems(tmp_path_factory, text):
    problems(tmp_path_factory.getbasetemp(), text)


def test_many_problems_take_time_by_their_number() -> None:
    def prepare(size: int) -> Callable[[], object]:
        def work() -> None:
            report = Report("routes.yaml")
            for number in range(size):
                report.add((f"key{number}",), "unknown key")
                report.add((f"key{number}",), "unknown key")
            assert len(report.problems) == size

        return work

    check_growth(prepare, 300)


def test_merged_anchors_count_as_often_as_they_are_read() -> None:
    """A few kilobytes that name large anchors again and again would be read for hours."""
    keys = ", ".join(["a"] * 300)
    aliases = ", ".join(["*m"] * 300)
    merges = "\n".join(f"n{number}: {{<<: *l}}" for number in range(300))
    text = f"m: &m {{{keys}}}\nn: {{<<: &l [{aliases}]}}\n{merges}\n"
    report = Report("routes.yaml")
    read_yaml(YamlFile("routes.yaml", text), report)
    assert [one.message for one in report.problems if "200000 values" in one.message] != []
