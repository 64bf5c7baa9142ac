// SPDX-License-Identifier: MIT
// The list of rules: found, folded, and no more of them at once than one can look through.

import {byId, keepChildren, setHidden, setText} from "./dom.js";
import {number, place, plural} from "./format.js";
import {RuleCard} from "./rule_card.js";

const AT_ONCE = 50; // rules
const FEW = 80; // destinations, up to which all is unfolded to begin with

// What is open: by the user's hand, or else all where there are few, and what is in trouble.
class Fold {
	constructor() {
		this.byHand = new Map();
		this.byItself = new Map();
	}

	// What has once opened or folded by itself stays so: nothing moves under the reader's eyes.
	take(model) {
		for (const {key, isTrouble} of model.rules)
			if (!this.byItself.has(key))
				this.byItself.set(key,
					isTrouble || model.totals.destinations <= FEW);
	}

	isOpen(key) {
		return this.byHand.get(key) ?? this.byItself.get(key) ?? false;
	}

	set(key, isOpen) {
		this.byHand.set(key, isOpen);
	}
}

function words({rule, destinations}) {
	const ofDestinations = destinations.flatMap(({to}) => [to.name, place(to), to.state]);

	return [rule.name, rule.ports, ...ofDestinations].join("\n").toLowerCase();
}

export class Rules {
	constructor() {
		this.cards = new Map();
		this.fold = new Fold();
		this.limit = AT_ONCE;
		byId("filter").addEventListener("input", () => this.search());
		byId("only-trouble").addEventListener("change", () => this.search());
		byId("more").addEventListener("click", () => this.showMore());
		byId("fold-all").addEventListener("click", () => this.foldAll());
	}

	search() {
		this.limit = AT_ONCE;
		this.draw();
	}

	showMore() {
		this.limit += AT_ONCE;
		this.draw();
	}

	foldAll() {
		const isOpen = !this.areSomeOpen();

		for (const {key} of this.fitting)
			this.fold.set(key, isOpen);
		this.draw();
	}

	areSomeOpen() {
		return this.fitting.some(({key}) => this.fold.isOpen(key));
	}

	update(model) {
		this.model = model;
		this.fold.take(model);
		this.draw();
	}

	find() {
		const wanted = byId("filter").value.trim().toLowerCase();
		const isOnlyTrouble = byId("only-trouble").checked;

		return this.model.rules.filter((view) => (!isOnlyTrouble || view.isTrouble) &&
			(!wanted || words(view).includes(wanted)));
	}

	draw() {
		if (!this.model)
			return;
		const all = this.model.rules.length;

		this.fitting = this.find();
		const shown = this.fitting.slice(0, this.limit);
		const left = this.fitting.length - shown.length;
		const fit = this.fitting.length < all ? `${number(this.fitting.length)} of ` : "";

		keepChildren(byId("rule-list"), this.cards, shown, ({key}) => key,
			(view) => new RuleCard(view, this.fold));
		setText(byId("rules-count"), `${fit}${plural(all, "rule")}, ` +
			plural(this.model.totals.destinations, "destination"));
		setHidden(byId("rules-none"), shown.length > 0);
		setHidden(byId("more"), left === 0);
		setText(byId("more"),
			`Show ${number(Math.min(left, AT_ONCE))} more of ${number(left)}`);
		setText(byId("fold-all"), this.areSomeOpen() ? "Fold all" : "Unfold all");
	}
}
