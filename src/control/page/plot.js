// SPDX-License-Identifier: MIT
// Small plots of rates: a line and the area below it, the newest at the right.

import {make, makeSvg, setAttribute, setText} from "./dom.js";
import {perSecond} from "./format.js";
import {KEPT} from "./model.js";

const WIDTH = 300;
const HEIGHT = 60;

// The next of 1, 2, 5, 10, 20, ...: a scale that does not move with every packet.
function roundUp(value) {
	const power = 10 ** Math.floor(Math.log10(Math.max(value, 1)));

	return [1, 2, 5, 10].map((step) => step * power).find((top) => top >= value);
}

// Runs of values that are known, as [x, y] each.
function runsOf(values, top) {
	const step = WIDTH / (KEPT - 1);
	const runs = [];
	let run = null;

	values.slice(-KEPT).forEach((value, index, shown) => {
		if (value === null) {
			run = null;
			return;
		}
		if (!run)
			runs.push(run = []);
		run.push([WIDTH - (shown.length - 1 - index) * step, HEIGHT * (1 - value / top)]);
	});
	return runs;
}

const joined = (run) => run.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L");

// The area between a run and the bottom.
function closed(run) {
	const [first, last] = [run[0][0], run.at(-1)[0]];

	return `M${first.toFixed(1)} ${HEIGHT}L${joined(run)}L${last.toFixed(1)} ${HEIGHT}Z`;
}

export class Plot {
	constructor(kind) {
		this.line = makeSvg("path", {class: "line"});
		this.area = makeSvg("path", {class: "area"});
		this.svg = makeSvg("svg", {class: `plot ${kind}`, role: "img", "aria-label": "",
			viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none"},
		this.area, this.line);
	}

	// Returns {highest, top}: of what is shown, and of the scale.
	draw(values, label) {
		const highest = Math.max(0, ...values);
		const top = roundUp(highest);
		const runs = runsOf(values, top);

		setAttribute(this.line, "d", runs.map((run) => `M${joined(run)}`).join(""));
		setAttribute(this.area, "d", runs.map(closed).join(""));
		setAttribute(this.svg, "aria-label", `${label}: highest ${perSecond(highest)}`);
		return {highest, top};
	}
}

// A plot with its scale and its times around it.
export class FramedPlot {
	constructor(kind) {
		this.plot = new Plot(kind);
		this.top = make("span", {class: "top"});
		this.node = make("div", {class: "frame"}, this.plot.svg,
			make("div", {class: "scale", "aria-hidden": "true"},
				this.top, make("span", {}, "0")),
			make("div", {class: "times", "aria-hidden": "true"},
				make("span", {}, "5 min ago"), make("span", {}, "now")));
	}

	draw(values, label) {
		setText(this.top, perSecond(this.plot.draw(values, label).top));
	}
}
