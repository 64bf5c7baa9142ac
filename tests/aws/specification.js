// SPDX-License-Identifier: MIT
// Prints what AWS's specification says of resource types, as JSON:
// {TYPE: {attributes: [NAME], properties: PROPERTIES, types: {NAME: PROPERTIES}}}, where PROPERTIES
// is {NAME: {required, type}}. A type that does not exist is null.
// usage: node specification.js FOLDER-OF-NODE_MODULES TYPE...
"use strict";

const { createRequire } = require("node:module");
const path = require("node:path");

const [folder, ...names] = process.argv.slice(2);
const fromFolder = createRequire(path.join(path.resolve(folder), "package.json"));
const db = fromFolder("@aws-cdk/aws-service-spec").loadAwsServiceSpecSync();

/** The type of a property, with definitions by their names. */
function simple(type, referenced) {
	switch (type.type) {
	case "array":
	case "map":
		return { type: type.type, element: simple(type.element, referenced) };
	case "union":
		return { type: "union", types: type.types.map((each) => simple(each, referenced)) };
	case "ref": {
		const definition = db.get("typeDefinition", type.reference);
		referenced.push(definition);
		return { type: "ref", name: definition.name };
	}
	default:
		return { type: type.type };
	}
}

function properties(of, referenced) {
	return Object.fromEntries(Object.entries(of).map(([name, property]) => [name, {
		required: Boolean(property.required),
		type: simple(property.type, referenced),
	}]));
}

function describe(name) {
	const resources = db.lookup("resource", "cloudFormationType", "equals", name);
	if (resources.length !== 1)
		return null;
	const resource = resources.only();
	const waiting = [];
	const described = {
		attributes: Object.keys(resource.attributes),
		properties: properties(resource.properties, waiting),
		types: {},
	};
	for (let definition; (definition = waiting.pop());) {
		if (!(definition.name in described.types)) {
			described.types[definition.name] = {};
			described.types[definition.name] = properties(definition.properties, waiting);
		}
	}
	return described;
}

console.log(JSON.stringify(Object.fromEntries(names.map((name) => [name, describe(name)]))));
