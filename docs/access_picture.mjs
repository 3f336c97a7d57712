// Write docs/access.png, a picture of the access page of the demo tenant. `make picture` runs this script.
import { createRequire } from "node:module";
import { join } from "node:path";

const [page, picture] = process.argv.slice(2);
const { chromium } = createRequire(join(process.env.MODULES, "package.json"))("playwright-core");
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox"] });
const tab = await browser.newPage({ viewport: { width: 1120, height: 800 }, colorScheme: "light" });
await tab.goto(`file://${page}#view=matrix`);
await tab.screenshot({ path: picture, fullPage: true });
await browser.close();
