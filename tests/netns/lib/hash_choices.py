# SPDX-License-Identifier: MIT
"""What the model leaves open: which destination BALANCE hash has for a client."""

import re

from .daemon import command
from .status import place_of


class HashChoices:
    """Asks `explain`, once per client."""

    def __init__(self, star, config_path, config):
        self._appliance, self._path, self._config = star.appliance, config_path, config
        self._known = {}

    def __call__(self, name, packet):
        if (name, packet.source) not in self._known:
            self._known[name, packet.source] = self._ask(name, packet)
        return self._known[name, packet.source]

    def _ask(self, name, packet):
        done = command("explain", "-c", self._path, packet.source,
                       f"{packet.destination}/{packet.port}", "--interface", packet.interface,
                       namespace=self._appliance)
        part = done.stdout.split(f'Rule "{name}" matches\n')[1]
        chosen = re.search(r"^  copy to (.*?): ", part, re.MULTILINE)[1]
        names = []
        for entry in self._config[name]["DESTINATION"]:
            address, port = place_of(entry)
            plain = f"{address}/{port}" if port else address
            names.append(entry.get("NAME", plain) if isinstance(entry, dict) else plain)
        return names.index(chosen)
