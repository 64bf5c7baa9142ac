# SPDX-License-Identifier: MIT
"""Prometheus' own programs, and one that runs inside a namespace."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import urllib.parse
import urllib.request

import pytest

from .daemon import REPOSITORY
from .namespaces import run
from .waiting import DEFAULT_TIMEOUT_S, scaled, wait_for

FILES = REPOSITORY / "packaging/prometheus"
_UNPACKED = REPOSITORY / "build/engines/usr/bin"


def program(name):
    """Where prometheus or promtool is; without it the test is skipped."""
    folder = os.environ.get("TD_PROMETHEUS") or (_UNPACKED if _UNPACKED.exists() else None)
    found = shutil.which(name, path=folder)
    if not found:
        pytest.skip(f"{name} is not here: tests/unpack-packages --alone build/engines prometheus")
    return found


def promtool(*arguments, stdin=None):
    """Runs promtool to its end and returns it."""
    return run(program("promtool"), *arguments, stdin=stdin, check=False, timeout_s=scaled(60))


def get(namespace, url):
    """Fetches a page from inside a namespace; returns its media type and text."""
    with namespace.entered(), urllib.request.urlopen(url, timeout=scaled(10)) as answer:
        return answer.headers["Content-Type"], answer.read().decode()


class Prometheus:
    """A Prometheus on the loopback of a namespace, with the project's scrape configuration."""

    ADDRESS = "127.0.0.1:9090"

    def __init__(self, namespace, folder, edit=lambda text: text, edit_rules=lambda text: text):
        """edit and edit_rules may change the files before they are used."""
        self._namespace, self._folder = namespace, pathlib.Path(folder)
        self._folder.mkdir()
        self._write("prometheus.yml", edit)
        self._write("trafficduplicator.rules.yml", edit_rules)
        with open(self._folder / "log", "wb") as log:
            self._process = subprocess.Popen(
                namespace.command(
                    program("prometheus"), f"--config.file={self._folder}/prometheus.yml",
                    f"--storage.tsdb.path={self._folder}/data",
                    f"--web.listen-address={self.ADDRESS}"),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_for("Prometheus to be ready", self._is_ready, there=self.log)

    def _write(self, name, edit):
        text = edit((FILES / name).read_text(encoding="utf-8"))
        (self._folder / name).write_text(text, encoding="utf-8")

    def log(self):
        """What it has said."""
        return (self._folder / "log").read_text(errors="replace")

    def _is_ready(self):
        assert self._process.poll() is None, self.log()
        try:
            get(self._namespace, f"http://{self.ADDRESS}/-/ready")
        except OSError:
            return False
        return True

    def ask(self, what, **parameters):
        """What /api/v1/ answers. An error, as of an expression that does not parse, fails."""
        query = urllib.parse.urlencode(parameters)
        _, text = get(self._namespace, f"http://{self.ADDRESS}/api/v1/{what}?{query}")
        answer = json.loads(text)
        assert answer["status"] == "success", text
        return answer["data"]

    def query(self, expression):
        """An expression's samples now: [(labels, value)]."""
        data = self.ask("query", query=expression)
        if data["resultType"] == "scalar":
            return [({}, float(data["result"][1]))]
        return [(one["metric"], float(one["value"][1])) for one in data["result"]]

    def wait_query(self, expression, condition=bool, timeout_s=DEFAULT_TIMEOUT_S):
        """Waits until condition(samples) holds; returns the samples."""
        found = []

        def probe():
            found[:] = self.query(expression)
            return condition(found)
        wait_for(expression, probe, timeout_s, lambda: f"{found}\n{self.log()[-2000:]}")
        return found

    def close(self):
        """Ends it."""
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(scaled(20))
