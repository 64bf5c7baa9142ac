# SPDX-License-Identifier: MIT
"""The image, built by its recipe: what its container does with a host's packets and rules, with
which rights, and every command of docs/container.md."""

import re

from engine import HERE, PAGE, page_commands
from lib.waiting import wait_for

CAP_NET_ADMIN = 1 << 12
CONFIG = {"DuplicateSyslog": {"SOURCEPORT": "514", "DESTINATION": ["10.2.1.2/514"]}}
ON_THE_PAGE = (("exec", "--user", "trafficduplicator", "trafficduplicator", "trafficduplicator",
                "status"),
               ("exec", "--user", "trafficduplicator", "trafficduplicator", "trafficduplicator",
                "reload"),
               ("exec", "trafficduplicator"), ("healthcheck", "run"), ("logs",), ("stop",),
               ("run", "--detach"), ("run", "--rm"))
STATUS, RELOAD, CHECK, HEALTH, LOGS, STOP, RUN, RULES_DOWN = ON_THE_PAGE


def test_the_page_has_no_command_that_is_not_tried_here():
    """make container is what made the image."""
    unknown = [line for line in page_commands() if line != ["sudo", "make", "container"]
               and not any(line[2:2 + len(words)] == list(words) for words in ON_THE_PAGE)]
    assert unknown == []


def test_copies_from_the_true_client_and_the_original_goes_on(star, container):
    receiver, server = star.receiver1.receiver(514), star.server.receiver(514)
    container.start(CONFIG)
    client = star.client1.socket()
    sent = [b"<13>message %d" % number for number in range(50)]
    for payload in sent:
        client.sendto(payload, (star.server.v4, 514))
    expected = sorted((payload, *client.getsockname()) for payload in sent)
    assert sorted(receiver.wait(50)) == expected
    assert sorted(server.wait(50)) == expected
    status = container.status()
    assert (status["received_pkts"], status["originals"]["forwarded_pkts"]) == (50, 50)
    assert status["queue"]["dropped_kernel_pkts"] == 0


def test_rights(container):
    """Its own user, one capability, no way to more, nothing to write to."""
    container.start(CONFIG)
    fields = dict(line.split(":\t", 1) for line in
                  container.inside("cat", "/proc/1/status").stdout.splitlines())
    assert fields["Name"] == "trafficduplicat"
    assert set(fields["Uid"].split()) == set(fields["Gid"].split()) == {"7514"}
    held = {name: int(fields[name], 16) for name in ("CapPrm", "CapEff", "CapInh", "CapAmb")}
    assert held == {"CapPrm": CAP_NET_ADMIN, "CapEff": CAP_NET_ADMIN, "CapInh": 0, "CapAmb": 0}
    assert (fields["NoNewPrivs"], fields["Seccomp"]) == ("1", "2")
    assert "Read-only" in container.inside("touch", "/file", check=False).stderr
    counters = container.inside("readlink", "/proc/1/fd/0", check=False).stdout
    assert counters.strip() in {"", "/proc/net/netfilter/nfnetlink_queue",
                                "/proc/1/net/netfilter/nfnetlink_queue"}
    assert "nfnetlink_queue" not in container.logs()


def test_the_pages_commands(container):
    container.start(CONFIG)
    assert "DuplicateSyslog" in container.page(*STATUS).stdout
    assert "DuplicateSyslog" in container.page(*CHECK).stdout
    container.configure({**CONFIG, "Traps": {"SOURCEPORT": 162, "DESTINATION": ["10.2.2.2"]}})
    assert "Traps" in container.page(*RELOAD).stdout
    assert [rule["name"] for rule in container.status()["rules"]] == ["DuplicateSyslog", "Traps"]
    assert container.table_is_up()
    container.page(*STOP)
    assert container.wait_end() == 0
    assert not container.table_is_up()
    assert "rules are down" in container.logs()


def test_health(container):
    """As the daemon says it at /healthz; an address of one's own is given by the environment."""
    container.start({**CONFIG, "SETTINGS": {"HTTP": "127.0.0.1:9999"}},
                    "--env", "TRAFFICDUPLICATOR_HTTP=127.0.0.1:9999")
    assert "TRAFFICDUPLICATOR_HTTP=127.0.0.1:9999" in PAGE.read_text(encoding="utf-8")
    wait_for("health", lambda: container.page(*HEALTH, check=False).returncode == 0,
             there=container.logs)
    container.configure({**CONFIG, "SETTINGS": {"HTTP": "off"}})
    container.page(*RELOAD)
    assert container.page(*HEALTH, check=False).returncode == 1


def test_rules_of_a_killed_container_are_taken_away_by_hand(container):
    container.start(CONFIG, "--restart", "no")
    container.engine("kill", "trafficduplicator")
    container.wait_end()
    assert container.table_is_up()
    container.page(*RULES_DOWN)
    assert not container.table_is_up()


def test_the_fast_path_with_its_capabilities(star, container):
    receiver = star.receiver1.receiver(514)
    named = re.findall(r"`(--[a-z-]+ [A-Z]\w+) (--[a-z-]+ [A-Z]\w+)`", PAGE.read_text())
    assert named == [("--cap-add BPF", "--cap-add PERFMON")]
    container.start({**CONFIG, "SETTINGS": {"FASTPATH": "auto"}},
                    "--security-opt", "seccomp=unconfined", *" ".join(named[0]).split())
    wait_for("the fast path", lambda: container.status()["fastpath"] == "on",
             there=container.logs)
    client = star.client1.socket()
    client.sendto(b"fast", (star.server.v4, 514))
    assert receiver.wait(1) == [(b"fast", *client.getsockname())]


def test_a_bad_configuration_ends_it(container):
    container.configure({"DuplicateSyslog": {}})
    container.page(*RUN, more=["--restart", "no"])
    assert container.wait_end() == 3
    assert "SOURCEPORT" in container.logs()


def test_without_its_capabilities_it_says_which(container):
    container.configure(CONFIG)
    done = container.engine("run", "--rm", *HERE, "--network", "host", "--cap-drop", "ALL",
                            "--cap-add", "SETUID", "--cap-add", "SETGID", "trafficduplicator",
                            check=False)
    assert done.returncode == 1
    assert "CAP_NET_ADMIN" in done.stderr and "CAP_NET_RAW" in done.stderr
