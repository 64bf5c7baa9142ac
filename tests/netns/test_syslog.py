# SPDX-License-Identifier: MIT
"""The main job: real rsyslog servers log the true client. The network is Star, drawn in
lib/topology.py; logger(1) on client1 and client2, rsyslogd on receiver1 and receiver2.
"""

import shutil

import pytest

from lib.configs import syslog
from lib.rsyslog import Rsyslogd


@pytest.mark.parametrize("family", [4, 6])
def test_two_rsyslog_servers_log_the_true_client(star, daemons, tmp_path, family):
    if not shutil.which("rsyslogd", path="/usr/sbin:/usr/bin"):
        pytest.skip("rsyslogd is not installed")
    receivers = star.receiver1, star.receiver2
    servers = [star.keep(Rsyslogd(host.namespace, tmp_path / host.role)) for host in receivers]
    daemon = daemons(star).start(syslog(*(f"{h.address(family)}/514" for h in receivers)))
    expected = set()
    for host in (star.client1, star.client2):
        to = host.gateway(family)
        for kind in ("--rfc3164", "--rfc5424"):
            message = f"{kind[2:]} from {host.role}"
            host.namespace.run("logger", "-n", to, "-P", "514", "-d", kind, "-t", "test", message)
            expected.add((host.address(family), message))
    for server in servers:
        logged = server.lines(4)
        assert {(line[0], line[3].strip()) for line in logged} == expected
        assert len(logged) == 4
    daemon.wait_received(4)
