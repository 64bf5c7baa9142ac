// SPDX-License-Identifier: MIT
// The top of the page: whether it works, since when, by which configuration; and whether what is
// shown is still true.

import {byId, keepChildren, make, setAttribute, setHidden, setText} from "./dom.js";
import {clock, dateAndClock, duration} from "./format.js";
import {judge} from "./verdict.js";

const TITLES = {good: "✓", attention: "!", bad: "✗", stale: "?"};

function ago(text, now) {
	const date = new Date(text);

	return `${dateAndClock(date)}, ${duration(Math.max(0, (now - date) / 1000))} ago`;
}

function lastReload({last_reload: reload}, now) {
	if (!reload)
		return {text: "none since the start"};
	return {text: `${reload.ok ? "done" : "refused"}, ${ago(reload.at, now)}`,
		isLoss: !reload.ok};
}

function factsOf(status, now) {
	return [
		{title: "Up", text: `${duration(status.uptime_s)}, ` +
			`since ${dateAndClock(new Date(status.started_at))}`},
		{title: "Last reload", ...lastReload(status, now)},
		{title: "Fast path", text: status.fastpath},
		{title: "Configuration", text: status.config},
		{title: "Version", text: status.version},
		{title: "HTTP", text: status.http},
	];
}

class FactView {
	constructor({title}) {
		this.text = make("dd", {"data-fact": title});
		this.node = make("div", {}, make("dt", {}, title), this.text);
	}

	update({text, isLoss}) {
		setText(this.text, text);
		this.node.classList.toggle("loss", Boolean(isLoss));
	}
}

class PointView {
	constructor({text, href}) {
		this.node = make("li", {}, href ? make("a", {href}, text) : text);
	}

	update() {}
}

export class Head {
	constructor(onRetry) {
		this.facts = new Map();
		this.points = new Map();
		this.level = "waiting";
		this.headline = "";
		setText(byId("host"), location.host);
		byId("retry").addEventListener("click", onRetry);
	}

	update(model) {
		const {status} = model;
		const {level, headline, points, spoken} = judge(model);
		const reload = status.last_reload;

		this.headline = headline;
		this.level = level;
		setAttribute(byId("verdict"), "data-level", level);
		setAttribute(byId("verdict-shape"), "href", `#shape-${level}`);
		setText(byId("headline"), headline);
		keepChildren(byId("points"), this.points, points, ({text}) => text,
			(point) => new PointView(point));
		keepChildren(byId("facts"), this.facts, factsOf(status, new Date()),
			({title}) => title, (fact) => new FactView(fact));
		setHidden(byId("reload-report"), !reload?.report);
		setText(byId("reload-text"), reload?.report ?? "");
		byId("reload-report").classList.toggle("loss", Boolean(reload && !reload.ok));
		this.showFresh(spoken);
	}

	showFresh(spoken) {
		setHidden(byId("stale"), true);
		document.body.classList.remove("is-stale");
		this.name(this.level, this.headline);
		setText(byId("announcer"), spoken);
	}

	// since: when the last answer came, null: none has.
	showStale(since, why, retryS) {
		const text = since ? `Stale since ${clock(since)}.` : "No answer yet.";

		setText(byId("stale-since"), text);
		setText(byId("stale-why"), `${why} Next try in ${duration(retryS)}.`);
		setHidden(byId("stale"), false);
		document.body.classList.add("is-stale");
		this.name("stale", text);
		setText(byId("announcer"), `${text} ${why}`);
	}

	// The tab's title tells as much as it can.
	name(level, text) {
		const title = `${TITLES[level]} ${text} – ${location.host}`;

		if (document.title !== title)
			document.title = title;
	}
}
