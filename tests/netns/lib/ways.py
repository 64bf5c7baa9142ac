# SPDX-License-Identifier: MIT
"""The ways that a copy can take through the appliance; users see no difference.

TD_WAY chooses the one that a run tests: what is said here is added to the SETTINGS of every config
that a test writes, unless the test sets the key itself.
"""

import os

WAYS = {
    "ip": {},  # the default
    "link": {"SEND": "link"},
    "fastpath": {"FASTPATH": "auto"},
}
WAY = os.environ.get("TD_WAY") or "ip"
DEFAULT = "ip"


def on_the_way(config, way=WAY):
    """The config with what makes copies go that way."""
    if not WAYS[way]:
        return config
    return {**config, "SETTINGS": {**WAYS[way], **config.get("SETTINGS", {})}}
