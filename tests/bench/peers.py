# SPDX-License-Identifier: MIT
"""Other people's duplicators, with the settings that their manuals advise for high rates."""

import os

import bed as beds
from contender import Process

_BUFFER_BYTES = beds.SYSCTLS["net.core.rmem_max"]


class Pmacct(Process):
    """nfacctd with the tee plugin: one process receives, another sends."""

    name, title, command = "pmacct", "pmacct nfacctd, tee, transparent", "usr/sbin/nfacctd"
    remark = "two processes: one receives, one sends"

    def arguments(self, setting):
        # A line holds 288 characters: every eight receivers are a pool, and all pools get all.
        ends = [f"{a}:{beds.PORT}" for a in setting.addresses()]
        (self.directory / "receivers").write_text(
            "".join(f"id={n // 8 + 1} ip={','.join(ends[n:n + 8])}\n"
                    for n in range(0, len(ends), 8)), encoding="ascii")
        config = self.directory / "nfacctd.conf"
        config.write_text(f"""daemonize: false
nfacctd_ip: {beds.APPLIANCE}
nfacctd_port: {beds.PORT}
nfacctd_pipe_size: {_BUFFER_BYTES}
plugins: tee[all]
plugin_pipe_size[all]: 33554432
tee_receivers[all]: {self.directory}/receivers
tee_max_receivers[all]: 64
tee_pipe_size[all]: {_BUFFER_BYTES}
tee_transparent[all]: true
""", encoding="ascii")
        return self.executable, "-f", config


class Nfcapd(Process):
    """nfcapd's repeater: a collector that also passes on what it gets."""

    name, title, command = "nfcapd", "nfcapd, repeater", "usr/bin/nfcapd"
    max_destinations = 7  # Debian's 1.7.1 ends with a segmentation fault when given its 8
    keeps_source = False
    remark = "no spoofing in this version; decodes and stores the flows as well"

    def refuses(self, setting):
        if setting.destinations == 8:
            return "crashes with 8 repeaters (Debian's 1.7.1)"
        return super().refuses(setting)

    def arguments(self, setting):
        flows = self.directory / "flows"
        flows.mkdir()
        repeaters = [word for a in setting.addresses() for word in ("-R", f"{a}/{beds.PORT}")]
        return (self.executable, "-b", beds.APPLIANCE, "-p", beds.PORT, "-w", flows,
                "-B", _BUFFER_BYTES, *repeaters)


class SyslogNg(Process):
    """syslog-ng with spoof-source(yes), which sends through libnet."""

    name, title, command = "syslog-ng", "syslog-ng, spoof-source", "usr/sbin/syslog-ng"
    kind = "syslog"
    remark = "messages are not parsed"

    def environment(self):
        return {**os.environ,
                "LD_LIBRARY_PATH": str(self.executable.parents[2] / "usr/lib/syslog-ng")}

    def arguments(self, setting):
        config = self.directory / "syslog-ng.conf"
        ways = "\n".join(
            f'destination d{n} {{ network("{a}" transport("udp") port({beds.PORT}) '
            f'spoof-source(yes) spoof-source-max-msglen(2048) template("$MSG") '
            f'so-sndbuf({_BUFFER_BYTES}) log-fifo-size(100000)); }};'
            for n, a in enumerate(setting.addresses()))
        used = " ".join(f"destination(d{n});" for n in range(setting.destinations))
        config.write_text(f"""@version: 3.35
options {{ use-dns(no); keep-hostname(yes); stats-freq(0); log-msg-size(8192); }};
source s {{ network(ip("{beds.APPLIANCE}") transport("udp") port({beds.PORT}) flags(no-parse)
    so-rcvbuf({_BUFFER_BYTES}) log-fetch-limit(1000) log-iw-size(100000)); }};
{ways}
log {{ source(s); {used} }};
""", encoding="ascii")
        modules = self.executable.parents[2] / "usr/lib/syslog-ng/3.38"
        return (self.executable, "-F", "--no-caps", f"--module-path={modules}", "-f", config,
                "-R", self.directory / "persist", "-p", self.directory / "pid",
                "-c", self.directory / "control")


PEERS = (Pmacct, Nfcapd, SyslogNg)
# What one would look for here and does not find.
ABSENT = {"samplicator": "not in Debian"}
