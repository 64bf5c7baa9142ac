# SPDX-License-Identifier: MIT
"""Chromium, as a person uses it: driver.mjs does what is said here."""

import json
import pathlib
import select
import shutil
import subprocess

from lib.daemon import REPOSITORY
from lib.waiting import scaled, wait_for

_FOLDER = pathlib.Path(__file__).resolve().parent
MODULES = REPOSITORY / "build/browser/node_modules"


def missing():
    """What keeps the browser from running here, or None."""
    for program in ("node", "chromium"):
        if shutil.which(program) is None:
            return f"{program} is not installed: tests/install-packages browser"
    return None if MODULES.exists() else "its modules are not there: make browser-tools"


class Browser:
    """One Chromium in a namespace, with one page at a time."""

    def __init__(self, namespace):
        self._process = subprocess.Popen(
            namespace.command("node", _FOLDER / "driver.mjs", MODULES), text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def tell(self, command, **options):
        """Has the driver do something; returns what it answers."""
        self._process.stdin.write(json.dumps({"command": command, **options}) + "\n")
        self._process.stdin.flush()
        readable = select.select([self._process.stdout], [], [], scaled(60))[0]
        assert readable, f"the browser does not answer to {command}"
        answer = self._process.stdout.readline()
        assert answer, f"the browser ended at {command}"
        found = json.loads(answer)
        assert "error" not in found, found["error"]
        return found["result"]

    def open(self, url, width=1180, height=2400, **options):
        """Opens a page of its own, without memory of others, and high enough to see all of it."""
        return self.tell("open", url=url, width=width, height=height, **options)

    def evaluate(self, expression, argument=None):
        """The value of an expression of JavaScript, in the page."""
        return self.tell("evaluate", expression=expression, argument=argument)

    def text(self, selector):
        """What a reader sees of an element; None where it is not there or not visible."""
        return self.evaluate("""(() => {
            const found = document.querySelector(argument);
            return found && found.checkVisibility() ? found.innerText : null;
        })()""", selector)

    def texts(self, selector):
        """The text of all that fit, in sight or not."""
        return self.evaluate("""[...document.querySelectorAll(argument)]
            .map((found) => found.textContent.trim())""", selector)

    def number(self, selector):
        """A number as the page writes it."""
        text = self.text(selector)
        return int(text.replace(",", "")) if text else None

    def wait(self, what, expression, argument=None, timeout_s=15):
        """Waits until an expression is true; returns its value."""
        return wait_for(what, lambda: self.evaluate(expression, argument), timeout_s,
                        lambda: self.evaluate("document.body.innerText"))

    def close(self):
        """Ends it."""
        self._process.stdin.close()
        try:
            self._process.wait(scaled(10))
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
