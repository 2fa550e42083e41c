// Drives a server on stdio by the TypeScript SDK of the Model Context Protocol:
// node mcp_client.cjs NODE_MODULES COMMAND ARGUMENT..., one JSON request a line in, one JSON answer a line out.
const { createRequire } = require("module");
const path = require("path");
const readline = require("readline");
const [folder, command, ...args] = process.argv.slice(2);
const load = createRequire(path.join(folder, "client.cjs"));
const { Client } = load("@modelcontextprotocol/sdk/client/index.js");
const { StdioClientTransport } = load("@modelcontextprotocol/sdk/client/stdio.js");

(async () => {
  const client = new Client({ name: "test", version: "1" });
  await client.connect(new StdioClientTransport({ command, args, env: process.env, stderr: "inherit" }));
  const ask = {
    server: async () => ({ ...client.getServerVersion(), instructions: client.getInstructions(), capabilities: client.getServerCapabilities() }),
    tools: () => client.listTools(),
    call: (params) => client.callTool(params),
    ping: () => client.ping(),
  };
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const { what, params } = JSON.parse(line);
    const answer = await ask[what](params).catch((error) => ({ failed: String(error) }));
    console.log(JSON.stringify(answer));
  }
  await client.close();
})();
