// SPDX-License-Identifier: MIT
// A real Chromium for tests in another language: a line of JSON in, a line of JSON out.
//
// usage: node driver.mjs MODULES, the folder that `npm ci` has filled. Runs where the page's server
// can be reached, as in a network namespace.

import {readFileSync} from "node:fs";
import {createRequire} from "node:module";
import {createInterface} from "node:readline";

const require = createRequire(`${process.argv[2]}/`);
const {chromium} = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const browser = await chromium.launch({
	executablePath: "/usr/bin/chromium",
	args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
let context, page, seen;

// What must not be there is kept, and asked for at the end.
function watch() {
	seen = {faults: [], requests: []};
	page.on("console", (message) => {
		if (["error", "warning"].includes(message.type()))
			seen.faults.push(`console: ${message.text()}`);
	});
	page.on("pageerror", (error) => seen.faults.push(`error: ${error.stack}`));
	page.on("dialog", (dialog) => {
		seen.faults.push(`dialog: ${dialog.message()}`);
		dialog.dismiss();
	});
	page.on("request", (request) => seen.requests.push(request.url()));
}

const commands = {
	async open({url, width, height, scheme = "light", scale = 1, reducedMotion, forcedColors}) {
		await context?.close();
		context = await browser.newContext({viewport: {width, height}, colorScheme: scheme,
			deviceScaleFactor: scale, reducedMotion, forcedColors});
		page = await context.newPage();
		watch();
		const response = await page.goto(url);

		return {status: response.status(), headers: await response.allHeaders()};
	},
	// The expression is one of JavaScript's, with argument in its scope.
	async evaluate({expression, argument}) {
		const value = JSON.stringify(argument ?? null);

		return page.evaluate(`((argument) => (${expression}))(${value})`);
	},
	async resize({width, height}) {
		await page.setViewportSize({width, height});
	},
	async scheme({scheme}) {
		await page.emulateMedia({colorScheme: scheme});
	},
	async press({key}) {
		await page.keyboard.press(key);
	},
	async type({text}) {
		await page.keyboard.type(text);
	},
	async click({selector}) {
		await page.click(selector);
	},
	async screenshot({path, full = true}) {
		await page.screenshot({path, fullPage: full});
	},
	// What the rules of axe-core find fault with.
	async axe() {
		await page.evaluate(axe);
		const {violations} = await page.evaluate("axe.run()");

		const shown = ({html, failureSummary}) => `${html}: ${failureSummary}`;

		return violations.map(({id, help, nodes}) => ({id, help, nodes: nodes.map(shown)}));
	},
	async seen() {
		return seen;
	},
};

for await (const line of createInterface({input: process.stdin})) {
	const {command, ...options} = JSON.parse(line);
	let answer;

	try {
		answer = {result: await commands[command](options) ?? null};
	} catch (error) {
		answer = {error: `${command}: ${error.message}`};
	}
	process.stdout.write(`${JSON.stringify(answer)}\n`);
}
await browser.close();
