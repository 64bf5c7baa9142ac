# SPDX-License-Identifier: MIT
"""What is wrong with a CloudFormation template, by AWS's own specification of its resources:
property names, types, what is required, and that every reference leads somewhere."""

import json
import re
import subprocess

from template import NO_VALUE, PSEUDO, function, in_sub

SECTIONS = {"AWSTemplateFormatVersion", "Description", "Metadata", "Parameters", "Rules",
            "Conditions", "Resources", "Outputs"}
PARAMETER_KEYS = {"Type", "Default", "AllowedPattern", "AllowedValues", "ConstraintDescription",
                  "Description", "MinValue", "MaxValue", "MinLength", "MaxLength", "NoEcho"}
PARAMETER_TYPES = re.compile(
    r"String|Number|List<Number>|CommaDelimitedList"
    r"|(List<)?AWS::EC2::(VPC|Subnet|Instance|Image|SecurityGroup)::Id>?"
    r"|AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>")
RESOURCE_KEYS = {"Type", "Properties", "DependsOn", "Condition", "Metadata", "DeletionPolicy",
                 "UpdateReplacePolicy", "CreationPolicy"}
OUTPUT_KEYS = {"Description", "Value", "Condition", "Export"}
CONDITION_FUNCTIONS = {"Fn::Not", "Fn::And", "Fn::Or", "Fn::Equals", "Condition"}
TEXT_FUNCTIONS = {"Fn::Base64", "Fn::Join", "Fn::Sub", "Fn::Select"}


def specification(folder, script, types):
    """What specification.js prints for these resource types."""
    done = subprocess.run(["node", script, folder, *sorted(types)], check=True,
                          capture_output=True, text=True)
    return json.loads(done.stdout)


class Checker:
    """Goes through a template once; `faults` has what it found, each with its place."""

    def __init__(self, template, specified):
        self.faults = []
        self._template = template
        self._specified = specified
        self._used = set()
        self._needs = {}  # per resource, the resources that it refers to
        self._at = None
        self._check()

    def _fault(self, place, text):
        self.faults.append(f"{place}: {text}")

    def _section(self, name):
        return self._template.get(name, {})

    def _check(self):
        self._keys("template", self._template, SECTIONS)
        if len(self._section("Description")) > 1024:
            self._fault("Description", "longer than 1024 bytes")
        for name, parameter in self._section("Parameters").items():
            self._parameter(f"Parameters.{name}", parameter)
        for name, value in self._section("Conditions").items():
            self._truth(f"Conditions.{name}", value)
        for name, rule in self._section("Rules").items():
            for assertion in rule["Assertions"]:
                self._keys(f"Rules.{name}", assertion, {"Assert", "AssertDescription"})
                self._truth(f"Rules.{name}", assertion["Assert"])
        for name, resource in self._section("Resources").items():
            self._at = name
            self._needs[name] = set()
            self._resource(f"Resources.{name}", resource)
        self._at = None
        for name, output in self._section("Outputs").items():
            self._keys(f"Outputs.{name}", output, OUTPUT_KEYS)
            self._condition(f"Outputs.{name}", output.get("Condition"))
            self._value(f"Outputs.{name}", output.get("Value"), {"type": "string"}, {})
        self._interface()
        for section in ("Parameters", "Conditions"):
            for name in set(self._section(section)) - self._used:
                self._fault(f"{section}.{name}", "is never used")
        self._circles()

    def _keys(self, place, found, known):
        for key in set(found) - known:
            self._fault(place, f"there is no {key}")

    def _parameter(self, place, parameter):
        self._keys(place, parameter, PARAMETER_KEYS)
        if not PARAMETER_TYPES.fullmatch(parameter.get("Type", "")):
            self._fault(place, f"unknown type {parameter.get('Type')}")
        default = parameter.get("Default")
        if default is None:
            return
        if not re.search(parameter.get("AllowedPattern", ""), str(default)):
            self._fault(place, f"the default {default!r} does not match AllowedPattern")
        if default not in parameter.get("AllowedValues", [default]):
            self._fault(place, f"the default {default!r} is not in AllowedValues")
        if parameter["Type"] == "Number" and not (
                parameter.get("MinValue", 0) <= default <= parameter.get("MaxValue", default)):
            self._fault(place, f"the default {default} is out of range")

    def _interface(self):
        """The console's groups: every parameter stands in one of them."""
        groups = self._section("Metadata").get("AWS::CloudFormation::Interface")
        if groups:
            listed = [name for group in groups["ParameterGroups"] for name in group["Parameters"]]
            if sorted(listed) != sorted(self._section("Parameters")):
                self._fault("Metadata", "its groups do not have every parameter once")

    def _resource(self, place, resource):
        self._keys(place, resource, RESOURCE_KEYS)
        self._condition(place, resource.get("Condition"))
        after = resource.get("DependsOn", [])
        for name in [after] if isinstance(after, str) else after:
            self._refer(place, name, {"Resources"})
        specified = self._specified.get(resource.get("Type"))
        if not specified:
            self._fault(place, f"there is no type {resource.get('Type')}")
            return
        self._properties(place, resource.get("Properties", {}), specified["properties"],
                         specified["types"])

    def _properties(self, place, found, known, types):
        for name, value in found.items():
            if name not in known:
                self._fault(place, f"there is no property {name}")
            else:
                self._value(f"{place}.{name}", value, known[name]["type"], types)
        for name, property_ in known.items():
            if property_["required"] and name not in found:
                self._fault(place, f"{name} is missing")

    # Values.

    def _value(self, place, value, wanted, types):
        name, argument = function(value)
        if name:
            self._function(place, name, argument, wanted, types)
        elif wanted["type"] == "array":
            if not isinstance(value, list):
                self._fault(place, "must be a list")
                return
            for index, each in enumerate(value):
                self._value(f"{place}[{index}]", each, wanted["element"], types)
        elif wanted["type"] in {"ref", "tag"}:
            if not isinstance(value, dict):
                self._fault(place, "must have properties")
                return
            text = {"required": True, "type": {"type": "string"}}
            known = types[wanted["name"]] if "name" in wanted else {"Key": text, "Value": text}
            self._properties(place, value, known, types)
        else:
            self._scalar(place, value, wanted)

    def _scalar(self, place, value, wanted):
        """CloudFormation takes numbers and booleans for strings, and their texts for them."""
        text = str(value)
        fits = {"string": not isinstance(value, (list, dict, type(None))),
                "integer": re.fullmatch(r"-?\d+", text), "number": re.fullmatch(r"-?[\d.]+", text),
                "boolean": text in {"True", "False", "true", "false"}}
        if wanted["type"] not in fits:
            self._fault(place, f"this checker does not know the type {wanted['type']}")
        elif not fits[wanted["type"]]:
            self._fault(place, f"{value!r} is no {wanted['type']}")

    def _function(self, place, name, argument, wanted, types):
        if name == "Fn::If":
            self._condition(place, argument[0])
            for branch in argument[1:]:
                if branch != {"Ref": NO_VALUE}:
                    self._value(place, branch, wanted, types)
            if len(argument) != 3:
                self._fault(place, "Fn::If takes three arguments")
        elif name == "Ref":
            self._ref(place, argument, wanted)
        elif name == "Fn::GetAtt":
            self._attribute(place, *argument)
            if wanted["type"] in {"array", "ref"}:
                self._fault(place, "an attribute is no list and has no properties")
        elif name == "Fn::Split":
            self._value(place, argument[1], {"type": "string"}, {})
            if wanted["type"] != "array":
                self._fault(place, "Fn::Split gives a list")
        elif name in TEXT_FUNCTIONS:
            if wanted["type"] != "string":
                self._fault(place, f"{name} gives text, and {wanted['type']} is wanted")
            self._text(place, name, argument)
        else:
            self._fault(place, f"there is no {name} here")

    def _ref(self, place, name, wanted):
        if name in PSEUDO:
            return
        self._refer(place, name, {"Parameters", "Resources"})
        kind = self._section("Parameters").get(name, {}).get("Type", "String")
        if ("List" in kind) != (wanted["type"] == "array"):
            self._fault(place, f"{name} is a {kind}, and {wanted['type']} is wanted")
        elif wanted["type"] in {"integer", "number"} and kind != "Number":
            self._fault(place, f"{name} is no number")

    def _text(self, place, name, argument):
        texts = {"type": "array", "element": {"type": "string"}}
        if name == "Fn::Base64":
            self._value(place, argument, {"type": "string"}, {})
        elif name in {"Fn::Join", "Fn::Select"}:
            self._value(place, argument[1], texts, {})
        else:
            self._sub(place, argument)

    def _sub(self, place, argument):
        text, variables = (argument, {}) if isinstance(argument, str) else argument
        for name, value in variables.items():
            self._value(f"{place}.{name}", value, {"type": "string"}, {})
        named = set(in_sub(text))
        for name in set(variables) - named:
            self._fault(place, f"Fn::Sub does not use {name}")
        for name in named - set(variables) - set(PSEUDO):
            if "." in name:
                self._attribute(place, *name.split(".", 1))
            else:
                self._refer(place, name, {"Parameters", "Resources"})

    # References.

    def _refer(self, place, name, sections):
        if not any(name in self._section(section) for section in sections):
            self._fault(place, f"there is no {name}")
        self._used.add(name)
        if self._at and name in self._section("Resources"):
            self._needs[self._at].add(name)

    def _attribute(self, place, name, attribute):
        self._refer(place, name, {"Resources"})
        specified = self._specified.get(self._section("Resources").get(name, {}).get("Type"))
        if specified and attribute not in specified["attributes"]:
            self._fault(place, f"{name} has no attribute {attribute}")

    def _condition(self, place, name):
        if name is not None:
            self._refer(place, name, {"Conditions"})

    def _truth(self, place, value):
        name, argument = function(value)
        if name not in CONDITION_FUNCTIONS:
            self._fault(place, f"{name} is no condition")
        elif name == "Condition":
            self._condition(place, argument)
        elif name == "Fn::Equals":
            for each in argument:
                self._value(place, each, {"type": "string"}, {})
        else:
            for each in argument:
                self._truth(place, each)

    def _circles(self):
        """Takes away what needs nothing that is left, until no more of that is to be found."""
        left = {name: set(needs) for name, needs in self._needs.items()}
        while True:
            free = {name for name, needs in left.items() if not needs & set(left)}
            if not free:
                break
            left = {name: needs for name, needs in left.items() if name not in free}
        if left:
            self._fault("Resources", f"they need each other: {', '.join(sorted(left))}")
