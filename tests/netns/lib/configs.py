# SPDX-License-Identifier: MIT
"""Configurations as the tests write them."""


def rule(ports, *destinations, **keys):
    """A rule; keys are the optional ones, as in ORIGINAL="drop"."""
    return {"SOURCEPORT": ports, "DESTINATION": list(destinations), **keys}


def syslog(*destinations, **keys):
    """One rule on port 514, as existing users have it."""
    return {"DuplicateSyslog": rule("514", *destinations, **keys)}


def settings(config, **values):
    """The config with SETTINGS."""
    return {**config, "SETTINGS": values}
