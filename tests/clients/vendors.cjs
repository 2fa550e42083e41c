// Checks or signs requests with the libraries of vendors: node vendors.cjs NODE_MODULES, one JSON request a line in, one JSON answer a line out.
const { readFileSync } = require("fs");
const path = require("path");
const readline = require("readline");
const { pathToFileURL } = require("url");
const load = (name) => require(path.join(process.argv[2], ...name.split("/")));

// A package that can only be imported: its entry for node.
const loadModule = (name) => {
  const folder = path.join(process.argv[2], ...name.split("/"));
  const { exports } = JSON.parse(readFileSync(path.join(folder, "package.json")));
  return import(pathToFileURL(path.join(folder, exports["."].node.import)));
};

const ASK = {
  github: async ({ secret, body, headers }) => {
    const { verify } = await loadModule("@octokit/webhooks-methods");
    return verify(secret, body, headers["x-hub-signature-256"]);
  },
  github_sign: async ({ secret, body }) => (await loadModule("@octokit/webhooks-methods")).sign(secret, body),
  linear: ({ secret, body, headers }) => {
    const { LinearWebhookClient } = load("@linear/sdk/webhooks");
    const time = JSON.parse(body).webhookTimestamp;
    return new LinearWebhookClient(secret).verify(Buffer.from(body), headers["linear-signature"], Number(time));
  },
  sanity: ({ secret, body, headers }) => load("@sanity/webhook").isValidSignature(body, headers["sanity-webhook-signature"], secret),
  sanity_sign: ({ secret, body, time }) => load("@sanity/webhook").encodeSignatureHeader(body, time, secret),
  contentful: ({ secret, body, headers, path }) => {
    const { verifyRequest } = load("@contentful/node-apps-toolkit");
    return verifyRequest(secret, { method: "POST", path, headers, body }, 0);
  },
  contentful_sign: ({ secret, body, headers, path, time }) => {
    const { signRequest } = load("@contentful/node-apps-toolkit");
    return signRequest(secret, { method: "POST", path, headers, body }, time);
  },
};

readline.createInterface({ input: process.stdin }).on("line", async (line) => {
  const asked = JSON.parse(line);
  let answer;
  try {
    answer = await ASK[asked.what](asked);
  } catch (error) {
    answer = { error: String(error.message || error) };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
});
