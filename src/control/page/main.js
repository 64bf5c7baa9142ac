// SPDX-License-Identifier: MIT
// Asks the daemon again and again, and shows what it says.

import {Accounts} from "./accounts.js";
import {Drops} from "./drops.js";
import {Head} from "./head.js";
import {Model} from "./model.js";
import {Rules} from "./rules.js";
import {Traffic} from "./traffic.js";

const POLL_MS = 2000;
const LONGEST_WAIT_MS = 30000;
const PATIENCE_MS = 10000;
const LONGEST_TEXT = 200;
// The daemon has better things to do: with very many destinations it is asked less often.
const SHARE_OF_TIME = 4;

const model = new Model();
const views = [new Traffic(), new Rules(), new Drops(), new Accounts()];
const head = new Head(() => poll());
let timer = null;
let answeredAt = null;
let failures = 0;
let isAsking = false;

// Says why in a sentence; anything else that is thrown is a fault of this page.
class NoAnswer extends Error {}

async function ask(path) {
	let response, text;

	try {
		response = await fetch(path, {cache: "no-store",
			signal: AbortSignal.timeout(PATIENCE_MS)});
		if (response.ok)
			return await response.json();
		text = await response.text();
	} catch (error) {
		if (error.name === "TimeoutError")
			throw new NoAnswer("The daemon takes too long to answer.");
		throw new NoAnswer(response ? "The daemon's answer is cut off."
			: "The daemon does not answer.");
	}
	const said = text.trim().slice(0, LONGEST_TEXT);

	throw new NoAnswer(`The daemon answers ${response.status}: ${said}.`);
}

function showFailure(error) {
	const waitMs = Math.min(POLL_MS * 2 ** failures, LONGEST_WAIT_MS);

	failures++;
	if (!(error instanceof NoAnswer))
		console.error(error);
	head.showStale(answeredAt, error instanceof NoAnswer ? error.message
		: `This page has failed: ${error.message}.`, waitMs / 1000);
	return waitMs;
}

function show(answers) {
	model.take(...answers);
	head.update(model);
	for (const view of views)
		view.update(model);
}

// Returns how long to wait until the next time.
async function askAndShow() {
	const askedMs = performance.now();

	try {
		const answers = await Promise.all([ask("status.json"), ask("history.json")]);
		const tookMs = performance.now() - askedMs;

		show(answers);
		failures = 0;
		answeredAt = new Date();
		return Math.max(POLL_MS - tookMs, tookMs * SHARE_OF_TIME);
	} catch (error) {
		return showFailure(error);
	}
}

async function poll() {
	if (isAsking)
		return;
	isAsking = true;
	clearTimeout(timer);
	const waitMs = await askAndShow();

	isAsking = false;
	// Nobody looks: nothing is asked until somebody does.
	if (!document.hidden)
		timer = setTimeout(poll, waitMs);
}

document.addEventListener("visibilitychange", () => {
	if (!document.hidden)
		poll();
});
poll();
