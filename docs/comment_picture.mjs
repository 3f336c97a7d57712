// Write docs/comment.png, a picture of a comment for four tenants. `make picture` runs this script. It shows Markdown
// like GitHub does, with the first two plans unfolded.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [markdown, picture] = process.argv.slice(2);
const require = createRequire(join(process.env.MODULES, "package.json"));
const load = (name) => import(pathToFileURL(require.resolve(name)));
const { chromium } = require("playwright-core");
const { Marked } = await load("marked");
const { default: alerts } = await load("marked-alert");
const css = readFileSync(require.resolve("github-markdown-css/github-markdown-light.css"), "utf8");
const body = new Marked({ gfm: true }).use(alerts()).parse(readFileSync(markdown, "utf8"));

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox"] });
const tab = await browser.newPage({ viewport: { width: 920, height: 600 }, colorScheme: "light" });
await tab.setContent(`<!doctype html><meta charset="utf-8"><title>comment</title><style>${css}
  body { margin: 0; } .markdown-body { padding: 16px 24px; font-size: 14px; } svg { fill: currentColor; }</style>
  <article class="markdown-body">${body}</article>`);
const unfold = () => [...document.querySelectorAll("article > details")].slice(0, 2).forEach((each) => (each.open = true));
await tab.evaluate(unfold);
await tab.screenshot({ path: picture, fullPage: true });
await browser.close();
