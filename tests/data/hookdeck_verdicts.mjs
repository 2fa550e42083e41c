// Records what simple-json-match, Hookdeck's library of filters, decides about the cases on stdin:
//
//   npm install --prefix /tmp/filters simple-json-match@1.3.0
//   python tests/support/filter_cases.py hookdeck | NODE_PATH=/tmp/filters/node_modules \
//     node tests/data/hookdeck_verdicts.mjs > tests/data/hookdeck_verdicts.json
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const require = createRequire(`${process.env.NODE_PATH}/`);
const match = require("simple-json-match").default;
const { version } = require("simple-json-match/package.json");
const { seed, hash, cases, documented } = JSON.parse(readFileSync(0, "utf8"));
const verdicts = cases.map(([schema, payloads]) =>
  payloads.map((payload) => (match(payload, schema) ? "1" : "0")).join(""),
);
const recorded = {
  library: `simple-json-match ${version}`,
  seed,
  cases: hash,
  verdicts,
  documented: documented.map(([schema, payload]) => [schema, payload, match(payload, schema)]),
};
console.log(JSON.stringify(recorded, null, 1));
