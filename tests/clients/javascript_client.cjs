// The published JavaScript client of the flow platform, told by lines of JSON what to do. The first argument is the folder it is installed in.
const path = require("node:path");
const { GumloopClient } = require(path.join(process.argv[2], "node_modules", "gumloop"));

console.log = console.error; // it tells the run's page; stdout is for answers

async function act(asked) {
  const client = new GumloopClient({ apiKey: asked.api_key, userId: asked.user_id });
  client.api.defaults.baseURL = asked.base_url;
  client.api.defaults.proxy = false;
  try {
    if (asked.run_id) return { status: await client.getRunStatus(asked.run_id) };
    const timeout = asked.timeout === null ? undefined : asked.timeout * 1000;
    return { outputs: await client.runFlow(asked.flow, asked.inputs, 50, timeout) };
  } catch (error) {
    return { error: error.name, message: error.message, http: error.response ? error.response.status : null };
  }
}

require("node:readline")
  .createInterface({ input: process.stdin })
  .on("line", async (line) => process.stdout.write(JSON.stringify(await act(JSON.parse(line))) + "\n"));
