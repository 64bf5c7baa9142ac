// SPDX-License-Identifier: MIT
// Is it working: one sentence, and what stands in the way of a better one.

import {duration, plural} from "./format.js";
import {isAway} from "./model.js";

const NAMED = 3; // destinations, before the rest is a number
const QUIET_S = 60; // without a packet, before it is worth a word

function nameOf({rule, to}) {
	return `${to.name} (${rule.name})`;
}

function listed(found) {
	const names = found.slice(0, NAMED).map(nameOf).join(", ");

	return found.length > NAMED ? `${names} and ${found.length - NAMED} more` : names;
}

function awayPoints(model) {
	const away = model.rules.filter(({rule}) => rule.enabled).flatMap(({rule}) =>
		rule.destinations.filter(isAway).map((to) => ({rule, to})));
	const points = [];

	for (const [state, wording] of [["down", "down"], ["unresolved", "without an address"]]) {
		const found = away.filter(({to}) => to.state === state);

		if (found.length)
			points.push({text: `${plural(found.length, "destination")} ${wording}: ` +
				listed(found), href: "#rules"});
	}
	return points;
}

function loopPoints(model) {
	const found = model.rules.flatMap(({rule}) =>
		rule.destinations.filter(({loop}) => loop).map((to) => ({rule, to})));

	return found.length ? [{text: `Copies come back, a loop: ${listed(found)}`,
		href: "#rules"}] : [];
}

// Copies for a destination that is down are dropped as they should be: that it is down says it.
function dropPoints(model) {
	const fresh = model.reasons.filter(({reason, isFresh}) => isFresh && reason !== "down");
	const names = fresh.map(({reason}) => reason).join(", ");

	return fresh.length ? [{text: `Packets or copies are being dropped: ${names}`,
		href: "#drops"}] : [];
}

function reloadPoints({last_reload: reload}) {
	return reload && !reload.ok ? [{text: "The last reload was refused: the configuration " +
		"from before is in force", href: "#reload-report"}] : [];
}

function quietly(model) {
	if (model.status.received_pkts === 0)
		return {text: "Ready. No packet has arrived yet"};
	if (model.quietS >= QUIET_S)
		return {text: `Ready. No packet has arrived for ${duration(model.quietS)}`,
			spoken: "Ready. No packet arrives"};
	return {text: "Duplicating packets"};
}

// {level, headline, points: [{text, href}], spoken}; spoken changes only when the state does.
export function judge(model) {
	const points = [...awayPoints(model), ...loopPoints(model), ...dropPoints(model),
		...reloadPoints(model.status)];
	const {text, spoken} = quietly(model);
	const speak = (headline) => [headline, ...points.map((point) => point.text)].join(". ");
	const close = (level, headline, said) =>
		({level, headline, points, spoken: speak(said ?? headline)});

	if (model.status.health !== "ok") {
		points.unshift({text: model.status.health});
		return close("bad", "Not duplicating packets");
	}
	if (points.length) {
		const problems = points.length > 1 ? ", with problems" : ", with a problem";

		return close("attention", text + problems, (spoken ?? text) + problems);
	}
	return close("good", text, spoken);
}
