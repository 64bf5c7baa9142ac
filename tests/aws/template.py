# SPDX-License-Identifier: MIT
"""CloudFormation templates: read from YAML, and their functions worked out for given parameters."""

import base64
import re

import yaml

# What only a stack has is worked out as these.
PSEUDO = {"AWS::AccountId": "123456789012", "AWS::NotificationARNs": [],
          "AWS::Partition": "aws", "AWS::Region": "eu-central-1",
          "AWS::StackId": "arn:aws:cloudformation:eu-central-1:123456789012:stack/test/1",
          "AWS::StackName": "test", "AWS::URLSuffix": "amazonaws.com"}
NO_VALUE = "AWS::NoValue"


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short forms, and without YAML 1.1's dates and repeated keys."""


def _short_form(loader, suffix, node):
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}": value}


def _mapping(loader, node):
    keys = [loader.construct_object(key, deep=True) for key, _ in node.value]
    repeated = {key for key in keys if keys.count(key) > 1}
    assert not repeated, f"line {node.start_mark.line + 1}: twice: {repeated}"
    return loader.construct_mapping(node, deep=True)


_Loader.add_multi_constructor("!", _short_form)
_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def read(text):
    """The template, with every function in its long form."""
    return yaml.load(text, _Loader)


def function(value):
    """(name, argument) where a value is a function's call; (None, None) where it is not."""
    if isinstance(value, dict) and len(value) == 1:
        name, argument = next(iter(value.items()))
        if name in {"Ref", "Condition"} or name.startswith("Fn::"):
            return name, argument
    return None, None


def in_sub(text):
    """The names in ${...} of an Fn::Sub's text; ${!...} is none, but stands for itself."""
    return re.findall(r"\$\{([^!}][^}]*)\}", text)


class Stack:
    """A template's values for parameters. References to resources are worked out as the test
    says, else as "NAME", and their attributes as "NAME.ATTRIBUTE"."""

    def __init__(self, template, references=None, **parameters):
        self._template = template
        self._references = {**PSEUDO, **(references or {})}
        self._parameters = {name: str(parameter.get("Default", ""))
                            for name, parameter in template["Parameters"].items()}
        assert set(parameters) <= set(self._parameters)
        self._parameters.update(parameters)

    def resource(self, name):
        return self.value(self._template["Resources"][name]["Properties"])

    def outputs(self):
        return {name: self.value(output["Value"])
                for name, output in self._template["Outputs"].items()
                if "Condition" not in output or self.condition(output["Condition"])}

    def condition(self, name):
        return self._truth(self._template["Conditions"][name])

    def rules_hold(self):
        return all(self._truth(assertion["Assert"])
                   for rule in self._template.get("Rules", {}).values()
                   for assertion in rule["Assertions"])

    def value(self, value):
        name, argument = function(value)
        if name:
            return getattr(self, "_" + name.replace("Fn::", "").lower())(argument)
        if isinstance(value, dict):
            worked_out = {key: self.value(each) for key, each in value.items()}
            return {key: each for key, each in worked_out.items() if each != NO_VALUE}
        if isinstance(value, list):
            return [each for each in map(self.value, value) if each != NO_VALUE]
        return value

    def _truth(self, value):
        name, argument = function(value)
        return {"Fn::Not": lambda: not self._truth(argument[0]),
                "Fn::And": lambda: all(map(self._truth, argument)),
                "Fn::Or": lambda: any(map(self._truth, argument)),
                "Fn::Equals": lambda: self.value(argument[0]) == self.value(argument[1]),
                "Condition": lambda: self.condition(argument)}[name]()

    def _ref(self, name):
        if name in self._parameters:
            return self._parameters[name]
        return self._references.get(name, name)

    def _getatt(self, argument):
        return ".".join(argument)

    def _if(self, argument):
        return self.value(argument[1 if self.condition(argument[0]) else 2])

    def _base64(self, argument):
        return base64.b64encode(self.value(argument).encode()).decode()

    def _join(self, argument):
        return argument[0].join(self.value(argument[1]))

    def _split(self, argument):
        return self.value(argument[1]).split(argument[0])

    def _select(self, argument):
        return self.value(argument[1])[int(argument[0])]

    def _sub(self, argument):
        text, variables = (argument, {}) if isinstance(argument, str) else argument
        for name in in_sub(text):
            if name in variables:
                found = self.value(variables[name])
            else:
                found = self._getatt([name]) if "." in name else self._ref(name)
            text = text.replace("${" + name + "}", found)
        return text.replace("${!", "${")
