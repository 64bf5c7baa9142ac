// SPDX-License-Identifier: MIT
// The totals: three plots from the daemon's history, and the numbers beside them.

import {byId, keepChildren, make, setAttribute, setText} from "./dom.js";
import {number, perSecond, rate} from "./format.js";
import {ratesOf} from "./model.js";
import {FramedPlot} from "./plot.js";

const PLOTS = [
	{title: "Received", unit: "packets/s", kind: "received", key: "received_pkts",
		total: ({status}) => status.received_pkts},
	{title: "Copies sent", unit: "packets/s", kind: "sent", key: "sent_pkts",
		total: ({totals}) => totals.sent},
	{title: "Dropped", unit: "packets/s", kind: "dropped", key: "dropped_pkts",
		total: ({reasons}) => reasons.reduce((sum, {count}) => sum + count, 0)},
];

class PlotView {
	constructor({title, unit, kind, key, total}) {
		this.title = title;
		this.key = key;
		this.totalOf = total;
		this.rate = make("span", {class: "big", id: `${kind}-rate`});
		this.total = make("span", {id: `${kind}-total`});
		this.plot = new FramedPlot(kind);
		this.node = make("article", {class: `panel ${kind}`, "aria-label": title},
			make("h3", {}, title),
			make("p", {}, this.rate, ` ${unit}`),
			make("p", {}, make("small", {}, this.total, " since the start")),
			this.plot.node);
	}

	update(model) {
		const rates = ratesOf(model.history, this.key);
		const total = this.totalOf(model);

		setText(this.rate, rate(rates.at(-1) ?? null));
		setText(this.total, number(total));
		setAttribute(this.node, "data-any", String(total > 0));
		this.plot.draw(rates, `${this.title} in the last 5 minutes`);
	}
}

// What should be zero is marked when it is not.
const plain = (title, id, count, perS) => ({title, id, count, perS});
const loss = (title, id, count) => ({title, id, count, isLoss: count > 0});

function groupsOf(model) {
	const {status, totals} = model;

	return [
		{title: "Originals", lines: [
			plain("sent on", "originals-forwarded", status.originals.forwarded_pkts,
				model.gauge("forwarded").perSecond),
			plain("ended here", "originals-dropped", status.originals.dropped_pkts,
				model.gauge("ended").perSecond)]},
		{title: "Queue", lines: [
			plain("waiting", "queue-waiting", status.queue.waiting_pkts),
			loss("refused by the kernel", "queue-dropped",
				status.queue.dropped_kernel_pkts)]},
		{title: "Not copied", lines: [
			plain("no rule matched", "unmatched", status.unmatched_pkts),
			plain("sampled out", "sampled-out", totals.sampledOut),
			plain("above a RATELIMIT", "rate-limited", totals.rateLimited)]},
		{title: "Cannot be copied", lines: [
			loss("malformed", "malformed", status.malformed_pkts),
			loss("truncated", "truncated", status.truncated_pkts)]},
	];
}

class LineView {
	constructor({title, id}) {
		this.count = make("b", {id});
		this.perS = make("small");
		this.node = make("div", {},
			make("dt", {}, title), make("dd", {}, this.count, this.perS));
	}

	update({count, perS, isLoss}) {
		setText(this.count, number(count));
		setText(this.perS, perS === undefined ? "" : perSecond(perS));
		this.node.classList.toggle("loss", Boolean(isLoss));
	}
}

class GroupView {
	constructor({title}) {
		this.list = make("dl");
		this.views = new Map();
		this.node = make("article", {class: "panel", "aria-label": title},
			make("h3", {}, title), this.list);
	}

	update({lines}) {
		keepChildren(this.list, this.views, lines, ({id}) => id,
			(line) => new LineView(line));
	}
}

export class Traffic {
	constructor() {
		this.plots = PLOTS.map((plot) => new PlotView(plot));
		this.groups = new Map();
		byId("plots").append(...this.plots.map(({node}) => node));
	}

	update(model) {
		for (const plot of this.plots)
			plot.update(model);
		keepChildren(byId("numbers"), this.groups, groupsOf(model), ({title}) => title,
			(group) => new GroupView(group));
	}
}
