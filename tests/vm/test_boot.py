# SPDX-License-Identifier: MIT
"""The service is enabled in the image, so it starts when this machine does. What became of it is
noted before the first test stops it: at_boot in conftest.py."""

import pytest

pytestmark = pytest.mark.vm


def test_the_enabled_service_was_started_at_boot(at_boot):
    assert at_boot["ActiveState"] == "active", at_boot["journal"]
    assert at_boot["UnitFileState"] == "enabled"
    assert at_boot["table is up"]
    assert "ready" in at_boot["journal"]


def test_it_waited_for_the_services_that_flush_the_rules(at_boot):
    assert {"nftables.service", "network.target"} <= set(at_boot["After"].split())
