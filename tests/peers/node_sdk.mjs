// Make calls with Auth0's SDK for Node. Reads {domain, clientId, clientSecret, audience, steps} from stdin, and writes
// the list of results: {value}, {status, body} for an error of the API, or {missing} for a call that the SDK lacks.
// A step is {name, call, arguments}. A text "{name.attribute}" in its arguments refers to an earlier result.

import { readFileSync } from "node:fs";
import { ManagementClient } from "auth0";

const { steps, ...options } = JSON.parse(readFileSync(0, "utf-8"));
const client = new ManagementClient({ ...options, maxRetries: 0 });
const named = {};

function filled(value) {
  if (typeof value === "string") {
    const found = /^\{(\w+)\.(\w+)\}$/.exec(value);
    return found ? named[found[1]][found[2]] : value;
  }
  if (Array.isArray(value)) return value.map(filled);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, filled(each)]));
}

async function whole(result) {
  if (typeof result?.[Symbol.asyncIterator] !== "function") return result ?? null;
  const items = [];
  for await (const item of result) items.push(item);
  return items;
}

const results = [];
for (const step of steps) {
  const path = step.call.split(".");
  const method = path.pop();
  const owner = path.reduce((part, name) => part?.[name], client);
  if (typeof owner?.[method] !== "function") {
    results.push({ missing: step.call });
    continue;
  }
  try {
    const value = await whole(await owner[method](...filled(step.arguments)));
    if (step.name) named[step.name] = value;
    results.push({ value });
  } catch (error) {
    if (error.statusCode === undefined) throw error;
    results.push({ status: error.statusCode, body: error.body });
  }
}
console.log(JSON.stringify(results));
