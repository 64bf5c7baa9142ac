# SPDX-License-Identifier: MIT
"""podman as docs/container.md uses it."""

import json
import os
import pathlib
import re
import shlex

from lib.waiting import wait_for

ENGINE = os.environ["TD_ENGINE"]
PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs/container.md"
NAME = "trafficduplicator"
# What the machine that tests run on may lack: control groups to write to, higher limits, a journal.
HERE = ["--cgroups", "disabled", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"]


def page_commands():
    """Every command of the page, as a list of words."""
    blocks = re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(encoding="utf-8"),
                        re.MULTILINE | re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [shlex.split(line) for line in lines]


class Engine:
    """The engine of a host, whose network is the namespace, and the page's container on it."""

    def __init__(self, host, folder):
        self._host = host
        self._folder = folder
        folder.chmod(0o755)

    def configure(self, config):
        """Writes the configuration on the host, in one step."""
        fresh = self._folder / "fresh"
        fresh.write_text(json.dumps(config, indent=8))
        fresh.chmod(0o644)
        fresh.rename(self._folder / "trafficduplicator.config")

    def page(self, *words, more=(), check=True):
        """Runs the page's command that begins with these words, on this host; more are options
        to its first verb."""
        found = [line for line in page_commands() if line[2:2 + len(words)] == list(words)
                 and line[:2] == ["sudo", "podman"]]
        assert len(found) == 1, f"{len(found)} commands of the page begin with {words}"
        arguments = [word.replace("/etc/trafficduplicator:", f"{self._folder}:", 1)
                     for word in found[0][2:]]
        if words[0] == "run":
            more = [*HERE, "--log-driver", "k8s-file", *more]
        return self._host.run(ENGINE, arguments[0], *more, *arguments[1:], check=check)

    def start(self, config, *more):
        """Runs the container by the page's command, and waits until it is ready."""
        self.configure(config)
        self.page("run", "--detach", more=more)
        wait_for("ready in the logs", lambda: re.search(r"ready$", self.logs(), re.MULTILINE),
                 timeout_s=30, there=self.logs)

    def logs(self):
        """What the daemon has said."""
        done = self.page("logs")
        return done.stdout + done.stderr

    def inside(self, *command, check=True):
        """Runs a program in the container, as root."""
        return self._host.run(ENGINE, "exec", NAME, *command, check=check)

    def status(self):
        """`status --json`, asked for as the page says."""
        return json.loads(self._host.run(ENGINE, "exec", "--user", NAME, NAME, NAME, "status",
                                         "--json").stdout)

    def engine(self, *arguments, check=True):
        """Any other command of the engine."""
        return self._host.run(ENGINE, *arguments, check=check)

    def wait_end(self):
        """Waits until the container has ended; returns its exit code."""
        return int(self.engine("wait", NAME).stdout)

    def table_is_up(self):
        """Whether the rules are installed on the host."""
        return self._host.run("nft", "list", "table", "inet", NAME, check=False).returncode == 0

    def remove(self):
        """Removes the container with its volume."""
        self.engine("rm", "--force", "--volumes", "--time", "3", "--ignore", NAME, check=False)
