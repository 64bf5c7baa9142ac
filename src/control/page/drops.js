// SPDX-License-Identifier: MIT
// Drops by reason: those that there are in a table, the others folded away.

import {byId, keepChildren, make, makeCell, makeTable, setHidden, setText, withCode}
	from "./dom.js";
import {number, perSecond, plural} from "./format.js";
import {explain} from "./reasons.js";

const COLUMNS = [
	{title: "Reason"}, {title: "Packets", kind: "count"}, {title: "Rate", kind: "count"},
	{title: "What it means"}, {title: "What to do"},
];

class DropRow {
	constructor({reason}) {
		const {means, mend} = explain(reason);

		this.count = makeCell("count", "Packets");
		this.rate = makeCell("count", "Rate");
		this.node = make("tr", {role: "row", "data-reason": reason},
			make("th", {scope: "row", role: "rowheader"}, make("code", {}, reason)),
			this.count, this.rate, makeCell("words", "What it means"),
			makeCell("words", "What to do"));
		this.node.children[3].append(...withCode(means));
		this.node.children[4].append(...withCode(mend));
	}

	update({count, perSecond: perS}) {
		setText(this.count, number(count));
		setText(this.rate, perSecond(perS));
	}
}

class ZeroView {
	constructor({reason}) {
		this.node = make("div", {}, make("dt", {}, make("code", {}, reason)),
			make("dd", {}, ...withCode(explain(reason).means)));
	}

	update() {}
}

export class Drops {
	constructor() {
		const {table, body} = makeTable("Drops by reason", COLUMNS);

		this.body = body;
		this.rows = new Map();
		this.zeros = new Map();
		table.classList.add("drops");
		byId("drops-table").append(table);
	}

	update({reasons}) {
		const some = reasons.filter(({count}) => count > 0)
			.sort((a, b) => b.count - a.count);
		const zero = reasons.filter(({count}) => count === 0);

		keepChildren(this.body, this.rows, some, ({reason}) => reason,
			(item) => new DropRow(item));
		keepChildren(byId("drops-zero-list"), this.zeros, zero, ({reason}) => reason,
			(item) => new ZeroView(item));
		setHidden(byId("drops-table"), some.length === 0);
		setHidden(byId("drops-none"), some.length > 0);
		setHidden(byId("drops-zero"), zero.length === 0);
		setText(byId("drops-zero-summary"),
			`${plural(zero.length, "reason")} with nothing dropped`);
	}
}
