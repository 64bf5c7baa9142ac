// SPDX-License-Identifier: MIT
// One rule with its destinations.

import {keepChildren, make, makeCell, makeTable, setAttribute, setHidden, setText, shape}
	from "./dom.js";
import {bits, number, perSecond, place} from "./format.js";
import {droppedOf} from "./model.js";
import {Plot} from "./plot.js";

const STATES = ["down", "unresolved", "up", "unchecked"]; // the worst first
const BALANCES = {
	"all": "a copy to each",
	"round-robin": "round-robin: one each in turn",
	"hash": "hash: one, always the same for a client",
	"failover": "failover: the first that is up",
};
const COLUMNS = [
	{title: "Destination"}, {title: "State"}, {title: "Copies", kind: "count"},
	{title: "Bit rate", kind: "count"}, {title: "Trend", kind: "trend"},
	{title: "Due", kind: "count"}, {title: "Sent", kind: "count"},
	{title: "Dropped", kind: "count"},
];

function dropText(to) {
	const some = Object.entries(to.dropped).filter(([, count]) => count > 0);

	return some.length === 1 ? some[0][0]
		: some.map(([reason, count]) => `${number(count)} ${reason}`).join(", ");
}

class DestinationRow {
	constructor({to}) {
		this.address = make("small");
		this.stateShape = shape(to.state);
		this.stateText = make("span");
		this.sampled = make("small");
		this.dropped = make("b");
		this.reasons = make("small");
		this.plot = new Plot("spark");
		this.due = make("span");
		this.cells = {
			state: makeCell("state", "State"), pps: makeCell("count", "Copies"),
			bits: makeCell("count", "Bit rate"), trend: makeCell("trend", "Trend"),
			due: makeCell("count", "Due"), sent: makeCell("count", "Sent"),
			dropped: makeCell("count", "Dropped"),
		};
		this.cells.state.append(this.stateShape.svg, this.stateText);
		this.cells.trend.append(this.plot.svg);
		this.cells.due.append(this.due, this.sampled);
		this.cells.dropped.append(this.dropped, this.reasons);
		this.node = make("tr", {role: "row"},
			make("th", {scope: "row", role: "rowheader"}, make("bdi", {}, to.name),
				this.address),
			...Object.values(this.cells));
	}

	update(view) {
		const {to} = view;
		const at = place(to);
		const dropped = droppedOf(to);

		setAttribute(this.node, "data-state", to.loop ? "down" : to.state);
		setText(this.address, at === to.name ? "" : at);
		this.stateShape.set(to.loop ? "down" : to.state);
		setText(this.stateText, to.loop ? "loop" : to.state);
		setText(this.cells.pps, perSecond(view.sent.perSecond));
		setText(this.cells.bits, bits(view.bytes.perSecond));
		setText(this.due, number(to.due_pkts));
		setText(this.sampled, to.sampled_out_pkts
			? `${number(to.sampled_out_pkts)} sampled out` : "");
		setText(this.cells.sent, number(to.sent_pkts));
		setText(this.dropped, number(dropped));
		setText(this.reasons, dropText(to));
		this.cells.dropped.classList.toggle("loss", dropped > 0);
		this.plot.draw(view.series, `Copies to ${to.name} since the page was opened`);
	}
}

function statesText(destinations) {
	return STATES.map((state) => [state,
		destinations.filter(({to}) => to.state === state).length])
		.filter(([, count]) => count > 0)
		.map(([state, count]) => `${number(count)} ${state}`).join(", ");
}

function worstOf(destinations) {
	return STATES.find((state) => destinations.some(({to}) => to.state === state));
}

// The fast path's verdict only where it is the rule's own: else the top of the page has it.
function aboutOf({rule}) {
	const verdict = rule.fastpath;
	const isOwn = verdict !== "off" && !verdict.startsWith("unavailable");
	const parts = [`UDP ${rule.ports}`, BALANCES[rule.balance] ?? rule.balance];

	if (!rule.enabled)
		parts.push("disabled: nothing is duplicated");
	else if (isOwn)
		parts.push(`fast path: ${verdict}`);
	parts.push(`${number(rule.matched_pkts)} matched`,
		`${number(rule.duplicated_pkts)} duplicated`);
	if (rule.sampled_out_pkts)
		parts.push(`${number(rule.sampled_out_pkts)} sampled out`);
	if (rule.rate_limited_pkts)
		parts.push(`${number(rule.rate_limited_pkts)} above the RATELIMIT`);
	return parts;
}

let serial = 0;

export class RuleCard {
	// fold: {isOpen(key), set(key, isOpen)}.
	constructor({key, rule}, fold) {
		const id = `rule-${serial++}`;
		const {table, body} = makeTable(`Destinations of ${rule.name}`, COLUMNS);

		this.key = key;
		this.fold = fold;
		this.rows = new Map();
		this.parts = new Map();
		this.body = body;
		this.button = make("button", {type: "button", "aria-controls": id, class: "fold"},
			make("bdi", {}, rule.name));
		this.stateShape = shape("unchecked");
		this.states = make("span");
		this.pps = make("b");
		this.plot = new Plot("spark");
		this.about = make("p", {class: "about"});
		this.inside = make("div", {class: "inside", id}, table);
		this.node = make("article",
			{class: "rule panel", "aria-label": `Rule ${rule.name}`},
			make("div", {class: "rule-head"},
				make("h3", {}, this.button),
				make("p", {class: "states"}, this.stateShape.svg, this.states),
				make("p", {class: "matched"}, this.pps, " matched"),
				this.plot.svg),
			this.about, this.inside);
		this.button.addEventListener("click", () => {
			fold.set(this.key, !fold.isOpen(this.key));
			this.update(this.view);
		});
	}

	update(view) {
		const {rule, destinations} = view;
		const worst = rule.enabled ? worstOf(destinations) : "unchecked";
		const isOpen = this.fold.isOpen(this.key);

		this.view = view;
		setAttribute(this.button, "aria-expanded", String(isOpen));
		setHidden(this.inside, !isOpen);
		setAttribute(this.node, "data-worst", worst);
		this.stateShape.set(worst);
		setText(this.states, statesText(destinations));
		setText(this.pps, perSecond(view.matched.perSecond));
		this.plot.draw(view.series,
			`Packets that ${rule.name} matched since the page was opened`);
		keepChildren(this.about, this.parts,
			aboutOf(view).map((text, index) => ({text, index})),
			({index}) => index, () => new Part());
		if (isOpen)
			keepChildren(this.body, this.rows, destinations, ({key}) => key,
				(destination) => new DestinationRow(destination));
	}
}

class Part {
	constructor() {
		this.node = make("span");
	}

	update({text}) {
		setText(this.node, text);
	}
}
