// SPDX-License-Identifier: MIT
// Elements, made and changed. Whatever comes from the daemon goes in as text, never as markup.

const SVG = "http://www.w3.org/2000/svg";

export function byId(id) {
	return document.getElementById(id);
}

function fill(node, attributes, children) {
	for (const [name, value] of Object.entries(attributes))
		node.setAttribute(name, value);
	node.append(...children);
	return node;
}

export function make(tag, attributes = {}, ...children) {
	return fill(document.createElement(tag), attributes, children);
}

export function makeSvg(tag, attributes = {}, ...children) {
	return fill(document.createElementNS(SVG, tag), attributes, children);
}

// A change of what is the same already would still cost a layout.
export function setText(node, text) {
	if (node.shownText !== text) {
		node.shownText = text;
		node.textContent = text;
	}
}

export function setAttribute(node, name, value) {
	if (node.getAttribute(name) !== value)
		node.setAttribute(name, value);
}

export function setHidden(node, isHidden) {
	if (node.hidden !== isHidden)
		node.hidden = isHidden;
}

// One of the shapes of index.html; decoration, so a text has to stand beside it.
export function shape(name) {
	const use = makeSvg("use", {href: `#shape-${name}`});
	const svg = makeSvg("svg", {class: "shape", "aria-hidden": "true"}, use);

	return {svg, set: (other) => setAttribute(use, "href", `#shape-${other}`)};
}

// A table with a caption for those who cannot see where it stands. Roles are said outright since
// narrow screens lay rows out as grids, which would take them away.
export function makeTable(caption, columns) {
	const body = make("tbody", {role: "rowgroup"});
	const heads = columns.map(({title, kind}) =>
		make("th", {scope: "col", role: "columnheader", class: kind ?? ""}, title));
	const table = make("table", {role: "table"}, make("caption", {class: "hidden"}, caption),
		make("thead", {role: "rowgroup"}, make("tr", {role: "row"}, ...heads)), body);

	return {table, body};
}

export function makeCell(kind, label) {
	return make("td", {role: "cell", class: kind, "data-label": label});
}

// A command that can be typed as it stands: `like this` in a text of ours.
export function withCode(text) {
	return text.split("`").map((part, index) => (index % 2 ? make("code", {}, part) : part));
}

// Makes the children of parent those of items, in order: kept, made or removed by their keys.
// views: a Map that belongs to parent. A view has a node and update(item).
export function keepChildren(parent, views, items, keyOf, create) {
	const wanted = new Set(items.map(keyOf));
	let next = parent.firstChild;

	for (const [key, view] of views) {
		if (wanted.has(key))
			continue;
		if (view.node === next)
			next = next.nextSibling;
		view.node.remove();
		views.delete(key);
	}
	for (const item of items) {
		let view = views.get(keyOf(item));

		if (!view) {
			view = create(item);
			views.set(keyOf(item), view);
		}
		if (view.node === next)
			next = next.nextSibling;
		else
			parent.insertBefore(view.node, next);
		view.update(item);
	}
}
