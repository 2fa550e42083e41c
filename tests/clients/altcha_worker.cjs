// Runs our script as a worker does: a task comes as a line on stdin, the number that solves it goes to stdout.
const vm = require("node:vm");
const { readFileSync } = require("node:fs");
const { webcrypto } = require("node:crypto");

const [script, task] = [readFileSync(process.argv[2], "utf8"), JSON.parse(readFileSync(0, "utf8"))];
const scope = { crypto: webcrypto, TextEncoder, Uint8Array, setTimeout, postMessage: (found) => console.log(JSON.stringify(found)) };
vm.createContext(scope);
vm.runInContext(script, scope);
scope.onmessage({ data: task });
