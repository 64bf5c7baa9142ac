// SPDX-License-Identifier: MIT
// From two answers of the daemon to what is shown: rates, what has been dropped lately, and the
// page's own memory of each rule and destination.

export const KEPT = 150; // rates, for the small plots: 5 minutes at one in 2 seconds
const LATELY_MS = 10000;

const sum = (values) => values.reduce((total, value) => total + value, 0);

export function droppedOf(destination) {
	return sum(Object.values(destination.dropped));
}

export function isAway(destination) {
	return destination.state === "down" || destination.state === "unresolved";
}

// What is counted by name, and how fast it grows. A counter that has fallen began anew.
class Gauge {
	constructor() {
		this.count = null;
		this.perSecond = null;
		this.grewAtMs = -Infinity;
	}

	take(count, elapsedS, nowMs) {
		const isKnown = this.count !== null && elapsedS > 0 && count >= this.count;

		this.perSecond = isKnown ? (count - this.count) / elapsedS : null;
		if (this.perSecond > 0)
			this.grewAtMs = nowMs;
		this.count = count;
	}

	hasGrownLately(nowMs) {
		return nowMs - this.grewAtMs < LATELY_MS;
	}
}

function remember(series, value) {
	series.push(value);
	if (series.length > KEPT)
		series.shift();
}

class DestinationView {
	constructor() {
		this.sent = new Gauge();
		this.bytes = new Gauge();
		this.dropped = new Gauge();
		this.series = [];
	}

	take(to, elapsedS, nowMs) {
		this.to = to;
		this.sent.take(to.sent_pkts, elapsedS, nowMs);
		this.bytes.take(to.sent_bytes, elapsedS, nowMs);
		this.dropped.take(droppedOf(to), elapsedS, nowMs);
		remember(this.series, this.sent.perSecond);
		this.isTrouble = isAway(to) || this.dropped.hasGrownLately(nowMs);
	}
}

// The views of items, by their names; of several with the same name, by their order too.
function follow(items, former, create) {
	const views = new Map();
	const met = new Map();

	for (const item of items) {
		const order = met.get(item.name) ?? 0;
		const key = `${order} ${item.name}`;

		met.set(item.name, order + 1);
		views.set(key, former.get(key) ?? create());
		views.get(key).key = key;
	}
	return views;
}

class RuleView {
	constructor() {
		this.matched = new Gauge();
		this.series = [];
		this.byKey = new Map();
	}

	take(rule, elapsedS, nowMs) {
		this.rule = rule;
		this.matched.take(rule.matched_pkts, elapsedS, nowMs);
		remember(this.series, this.matched.perSecond);
		this.byKey = follow(rule.destinations, this.byKey, () => new DestinationView());
		this.destinations = [...this.byKey.values()];
		this.destinations.forEach((view, index) =>
			view.take(rule.destinations[index], elapsedS, nowMs));
		this.isTrouble = this.destinations.some((view) => view.isTrouble);
	}
}

// Drops by reason: those of copies, and those before any destination was chosen.
function countReasons(status) {
	const counts = {};

	for (const rule of status.rules)
		for (const to of rule.destinations)
			for (const [reason, count] of Object.entries(to.dropped))
				counts[reason] = (counts[reason] ?? 0) + count;
	counts.malformed = (counts.malformed ?? 0) + status.malformed_pkts;
	counts.truncated = (counts.truncated ?? 0) + status.truncated_pkts;
	counts.queue_full = (counts.queue_full ?? 0) + status.queue.dropped_kernel_pkts;
	return counts;
}

function totalsOf(status) {
	const {rules} = status;
	const destinations = rules.flatMap((rule) => rule.destinations);
	const ofRules = (key) => sum(rules.map((rule) => rule[key]));
	const ofDestinations = (key) => sum(destinations.map((to) => to[key]));

	return {
		destinations: destinations.length,
		matched: ofRules("matched_pkts"),
		sampledOut: ofRules("sampled_out_pkts"),
		rateLimited: ofRules("rate_limited_pkts"),
		duplicated: ofRules("duplicated_pkts"),
		due: ofDestinations("due_pkts"),
		sent: ofDestinations("sent_pkts"),
		dropped: sum(destinations.map(droppedOf)),
	};
}

// Rates between the samples of the daemon's history, oldest first; null where a counter fell, as
// when a rule has gone.
export function ratesOf(history, key) {
	const counts = history[key];
	const rates = [];

	for (let i = 1; i < counts.length; i++) {
		const elapsedS = (history.at_ms[i] - history.at_ms[i - 1]) / 1000;
		const more = counts[i] - counts[i - 1];

		rates.push(more >= 0 && elapsedS > 0 ? more / elapsedS : null);
	}
	return rates;
}

// How long no packet has come, as far as the history goes back; 0 where one has just come.
function quietSeconds(history) {
	const {received_pkts: counts, at_ms: at} = history;
	const newest = counts.length - 1;
	let since = newest;

	while (since > 0 && counts[since - 1] === counts[newest])
		since--;
	return newest > 0 ? (at[newest] - at[since]) / 1000 : 0;
}

export class Model {
	constructor() {
		this.forget();
	}

	forget() {
		this.byKey = new Map();
		this.gauges = new Map();
		this.takenMs = null;
	}

	gauge(name) {
		if (!this.gauges.has(name))
			this.gauges.set(name, new Gauge());
		return this.gauges.get(name);
	}

	// The daemon may answer with what it has told somebody else a moment ago: its own clock
	// counts, and what has been seen already is not taken again.
	take(status, history) {
		const nowMs = status.uptime_ms;

		this.history = history;
		this.quietS = quietSeconds(history);
		if (this.status && this.status.started_at !== status.started_at)
			this.forget();
		if (this.takenMs === nowMs)
			return;
		const elapsedS = this.takenMs === null ? 0 : (nowMs - this.takenMs) / 1000;

		this.status = status;
		this.takenMs = nowMs;
		this.totals = totalsOf(status);
		this.byKey = follow(status.rules, this.byKey, () => new RuleView());
		this.rules = [...this.byKey.values()];
		this.rules.forEach((view, index) =>
			view.take(status.rules[index], elapsedS, nowMs));
		this.reasons = Object.entries(countReasons(status)).map(([reason, count]) => {
			const gauge = this.gauge(`reason ${reason}`);

			gauge.take(count, elapsedS, nowMs);
			return {reason, count, perSecond: gauge.perSecond,
				isFresh: gauge.hasGrownLately(nowMs)};
		});
		this.gauge("forwarded").take(status.originals.forwarded_pkts, elapsedS, nowMs);
		this.gauge("ended").take(status.originals.dropped_pkts, elapsedS, nowMs);
	}
}
