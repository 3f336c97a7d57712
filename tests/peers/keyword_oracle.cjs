// Reads a list of {text, mappings, isJson} from stdin. Writes the grants that auth0-deploy-cli would read from each text.
const path = require("path");
const modules = process.env.MODULES;
const { keywordReplace } = require(path.join(modules, "auth0-deploy-cli/lib/tools/utils.js"));
const yaml = require(path.join(modules, "js-yaml"));

const cases = JSON.parse(require("fs").readFileSync(0, "utf8"));
const results = cases.map(({ text, mappings, isJson }) => {
  const replaced = keywordReplace(text, mappings);
  try {
    return isJson ? [JSON.parse(replaced)] : (yaml.load(replaced) || {}).clientGrants;
  } catch (error) {
    return null;
  }
});
process.stdout.write(JSON.stringify(results));
