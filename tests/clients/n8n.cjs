// Runs IF and Filter nodes by n8n's own packages: node n8n.cjs NODE_MODULES, one JSON document in, one out.
// In: a list of {node, items}. Out: {packages, verdicts}, with a letter for each item: T and F are the
// first and the second output, E is an error. The folder has n8n-workflow and n8n-nodes-base.
const path = require("path");
const { readFileSync } = require("fs");
const folder = process.argv[2];
const load = (name) => require(path.join(folder, ...name.split("/")));

const { Workflow, executeFilter, isFilterValue } = load("n8n-workflow");
const { If } = load("n8n-nodes-base/dist/nodes/If/If.node.js");
const { Filter } = load("n8n-nodes-base/dist/nodes/Filter/Filter.node.js");
const kinds = { "n8n-nodes-base.if": new If(), "n8n-nodes-base.filter": new Filter() };
const findType = (node) => kinds[node.type].getNodeType(node.typeVersion);

const NODE = { id: "1", position: [0, 0], parameters: {} };

function makeContext(given, item) {
  const type = findType(given);
  const nodeTypes = { getByName: () => type, getByNameAndVersion: () => type };
  const node = { ...NODE, ...given };
  const workflow = new Workflow({ id: "1", nodes: [node], connections: {}, active: false, nodeTypes });
  const read = (name) => name.split(".").reduce((value, step) => value?.[step], workflow.getNode(node.name).parameters);
  return {
    getInputData: () => [item],
    getNode: () => node,
    continueOnFail: () => ["continueRegularOutput", "continueErrorOutput"].includes(node.onError),
    getNodeParameter: (name, index, fallback, options) => {
      const raw = read(name);
      if (raw === undefined) return fallback;
      const value = workflow.expression.getParameterValue(raw, null, 0, index, node.name, [item], "internal", {});
      return options?.extractValue && isFilterValue(value) ? executeFilter(value, { itemIndex: index }) : value;
    },
  };
}

async function judge(node, json) {
  try {
    const [yes, no] = await findType(node).execute.call(makeContext(node, { json }));
    return yes.length ? "T" : no.length ? "F" : "-";
  } catch (error) {
    if (process.env.N8N_ERRORS) console.error(node.typeVersion, JSON.stringify(node.parameters), JSON.stringify(json), error.message);
    return "E";
  }
}

(async () => {
  const verdicts = [];
  for (const { node, items } of JSON.parse(readFileSync(0))) {
    const letters = [];
    for (const json of items) letters.push(await judge(node, json));
    verdicts.push(letters.join(""));
  }
  const version = (name) => `${name} ${JSON.parse(readFileSync(path.join(folder, name, "package.json"))).version}`;
  process.stdout.write(JSON.stringify({ packages: ["n8n-workflow", "n8n-nodes-base"].map(version), verdicts }));
})();
