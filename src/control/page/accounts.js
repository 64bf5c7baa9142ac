// SPDX-License-Identifier: MIT
// The equations that the daemon's numbers satisfy, with the numbers in them.

import {byId, keepChildren, make, makeCell, makeTable, setText} from "./dom.js";
import {number} from "./format.js";

function equationsOf({status, totals}) {
	return [
		{title: "Received", whole: status.received_pkts, parts: [
			["matched by a rule", status.matched_by_any_pkts],
			["unmatched", status.unmatched_pkts],
			["malformed", status.malformed_pkts],
			["truncated", status.truncated_pkts]]},
		{title: "Originals of what matched", whole: status.matched_by_any_pkts, parts: [
			["sent on", status.originals.forwarded_pkts],
			["ended here", status.originals.dropped_pkts]]},
		{title: "Matches of all rules", whole: totals.matched, parts: [
			["duplicated", totals.duplicated],
			["sampled out", totals.sampledOut],
			["above a RATELIMIT", totals.rateLimited]]},
		{title: "Copies due", whole: totals.due, parts: [
			["sent", totals.sent],
			["dropped", totals.dropped]]},
	];
}

const COLUMNS = [
	{title: "What"}, {title: "Packets", kind: "count"}, {title: "What became of them"},
	{title: "Adds up"},
];

class EquationRow {
	constructor({title, parts}) {
		this.whole = makeCell("count", "Packets");
		this.outcome = makeCell("words", "Adds up");
		this.counts = parts.map(() => make("b"));
		const sum = makeCell("sum", "What became of them");

		parts.forEach(([name], index) => sum.append(
			make("span", {}, index ? "+ " : "= ", this.counts[index], ` ${name}`),
			" "));
		this.node = make("tr", {role: "row"},
			make("th", {scope: "row", role: "rowheader"}, title),
			this.whole, sum, this.outcome);
	}

	update({whole, parts}) {
		const rest = whole - parts.reduce((sum, [, count]) => sum + count, 0);

		setText(this.whole, number(whole));
		parts.forEach(([, count], index) => setText(this.counts[index], number(count)));
		setText(this.outcome, rest === 0 ? "yes" : `no: ${number(rest)} not accounted for`);
		this.node.classList.toggle("loss", rest !== 0);
	}
}

export class Accounts {
	constructor() {
		const {table, body} = makeTable("Accounts", COLUMNS);

		this.body = body;
		this.rows = new Map();
		table.classList.add("accounts");
		byId("accounts-table").append(table);
	}

	update(model) {
		keepChildren(this.body, this.rows, equationsOf(model), ({title}) => title,
			(item) => new EquationRow(item));
	}
}
