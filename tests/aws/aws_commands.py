# SPDX-License-Identifier: MIT
"""Runs calls of AWS's command line without credentials, up to where they would be sent: the
arguments are read and checked against AWS's own models of its services.

Reads a JSON list of argument lists; prints a JSON list of [exit code, what was said, parameters],
where parameters are those of --parameters, as the command line reads them.
"""

import contextlib
import io
import json
import multiprocessing
import sys

from awscli.clidriver import create_clidriver
from awscli.shorthand import ShorthandParser

DRIVER = create_clidriver()


def _without_sending(words):
    """What stops a call before it is sent: to show the form of the answer, or of the question where
    the command line trips over its own sample of an answer."""
    if words[0] == "s3":
        return []  # presigns with the key at hand, and sends nothing anyway
    question = words[1] == "wait" or words[1].startswith("describe-")
    return ["--generate-cli-skeleton", "input" if question else "output"]


def _call(words):
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            code = DRIVER.main(words + _without_sending(words))
        except SystemExit as end:
            code = end.code
    return code, said.getvalue()


def _parameters(words):
    found = {}
    for word in words:
        if word.startswith("ParameterKey="):
            pair = ShorthandParser().parse(word)
            found[pair["ParameterKey"]] = pair["ParameterValue"]
    return found


def _all(calls):
    """Each in a process of its own, since the command line is made for one call; the models, which
    take longest, are read before these part."""
    for service in {words[0] for words in calls} - {"s3"}:
        DRIVER.session.get_service_model(service)
    with multiprocessing.get_context("fork").Pool(2, maxtasksperchild=1) as pool:
        return pool.map(_call, calls, chunksize=1)


ALL = json.load(sys.stdin)
print(json.dumps([[*answer, _parameters(words)] for words, answer in zip(ALL, _all(ALL))]))
