# SPDX-License-Identifier: MIT
"""Traffic Duplicator's own ways."""

import contextlib
import json
import pathlib
import re
import subprocess
import tempfile

import bed as beds
from contender import Contender, Setting, Unavailable
from lib.daemon import Daemon


def config(setting, settings):
    """A config for a Setting. With many rules, the last one has the clients that send; all the
    others have clients and destinations of their own, on the same port."""
    def rule(client, addresses, port):
        return {"SOURCEPORT": beds.PORT, "SOURCEADDRESS": client,
                "DESTINATION": [f"{a}/{port}" for a in addresses]}
    rules = {}
    for number in range(1, setting.rules):
        rules[f"rule{number}"] = rule(f"172.{16 + number // 256}.{number % 256}.0/24",
                                      setting.addresses(), 10000 + number)
    rules["bench"] = rule("10.1.0.0/16", setting.addresses(), beds.PORT)
    if setting.rules == 1:
        del rules["bench"]["SOURCEADDRESS"]
    return {**rules, "SETTINGS": {"WORKERS": 1, **settings}}


class Ours(Contender):
    """The daemon with some SETTINGS."""

    settings = {}
    others = {"SEND": "ip", "FASTPATH": "off"}  # said outright, if the program has such keys

    def version(self):
        if not self.program.exists():
            raise Unavailable(f"there is no {self.program}")
        self._check(self.settings)
        for key, value in self.others.items():
            with contextlib.suppress(Unavailable):
                self._check({key: value, **self.settings})
                self.settings = {key: value, **self.settings}
        return subprocess.run([self.program, "--version"], capture_output=True, text=True,
                              check=True).stdout.strip()

    def _check(self, settings):
        with tempfile.NamedTemporaryFile("w", suffix=".config") as file:
            json.dump(config(Setting(1), settings), file)
            file.flush()
            done = subprocess.run([self.program, "check", "-c", file.name], capture_output=True,
                                  text=True, check=False)
        if done.returncode:
            raise Unavailable("the program does not take " + json.dumps(settings) + ": "
                              + done.stderr.partition("\n")[0].partition(" ")[2][:200])

    def refuses(self, setting):
        return None

    def start(self, setting):
        script = self.program.parents[1] / "iptables/trafficduplicator-rules"
        more = ["--rules-script", str(script)] if script.exists() else []
        self._daemon = Daemon(self.bed.appliance, program=self.program,
                              wrapper=["taskset", "-c", str(self.bed.core)])
        try:
            self._daemon.start(config(setting, self.settings), *more)
            self.examine(self._daemon.status())
        except (AssertionError, Unavailable) as error:
            self._daemon.finish()
            raise Unavailable(str(error)) from error

    def examine(self, status):
        """Raises Unavailable if the daemon does not work in the way it was asked to."""

    def pids(self):
        return [self._daemon.process.pid]

    def queued_pkts(self):
        """Packets that NFQUEUE took, since the start: the id of the last one of each queue, which
        is the last number but one of its line."""
        with self.bed.appliance.entered(), open("/proc/thread-self/net/netfilter/nfnetlink_queue",
                                                encoding="ascii") as file:
            return sum(int(line.split()[-2]) for line in file)

    def misgivings(self, sent_pkts):
        if not self.queued_pkts():
            return {"no packet went through NFQUEUE"}
        return set()

    def stop(self):
        self._daemon.finish()

    def status(self):
        """What `status --json` says."""
        return self._daemon.status()

    def memory(self):
        """Bytes: resident, and those of the BPF maps that it holds."""
        proc = pathlib.Path("/proc") / str(self._daemon.process.pid)
        resident = int(re.search(r"VmRSS:\s+(\d+) kB", (proc / "status").read_text())[1]) * 1024
        return {"resident_bytes": resident,
                "bpf_maps_bytes": sum(self._bpftool("map", "show", "id", number)["bytes_memlock"]
                                      for number in self._bpf_maps(proc))}

    def _bpf_maps(self, proc):
        """The ids of the maps that the daemon has open, and of those that its programs use: the
        programs that it has open or that are attached to a device of the appliance."""
        maps, programs = set(), set()
        for info in (proc / "fdinfo").iterdir():
            fields = dict(re.findall(r"^(\w+):\s+(\S+)$", info.read_text(), re.MULTILINE))
            if "map_id" in fields:
                maps.add(int(fields["map_id"]))
            if "prog_id" in fields:
                programs.add(int(fields["prog_id"]))
        programs |= {entry["id"] for kind in self._bpftool("net", "show")[0].values()
                     for entry in kind if "id" in entry}
        for program in programs:
            maps |= set(self._bpftool("prog", "show", "id", program).get("map_ids", ()))
        return maps

    def _bpftool(self, *words):
        return json.loads(self.bed.appliance.run("bpftool", "-j", *words).stdout)


class SendIp(Ours):
    """NFQUEUE, copies through the IP raw socket: the default."""

    name, title = "nfqueue-ip", "Traffic Duplicator, NFQUEUE, SEND ip"
    remark = "route and local firewall apply to every copy"


class SendLink(Ours):
    """NFQUEUE, copies through the packet socket."""

    name, title = "nfqueue-link", "Traffic Duplicator, NFQUEUE, SEND link"
    settings = {"SEND": "link"}


class FastPath(Ours):
    """Copies made in the kernel by our program."""

    name, title = "fastpath", "Traffic Duplicator, fast path"
    settings = {"FASTPATH": "auto"}

    def examine(self, status):
        rule = next(r for r in status["rules"] if r["name"] == "bench")
        said = {"fastpath": status["fastpath"], "rule": rule.get("fastpath")}
        if said["fastpath"] == "off" or str(said["rule"]).startswith("queued"):
            raise Unavailable(f"the fast path is not in use: {json.dumps(said)}")

    def misgivings(self, sent_pkts):
        if self.queued_pkts() > 0.01 * sent_pkts:
            return {"packets went through NFQUEUE, not the fast path"}
        return set()



OURS = (SendIp, SendLink, FastPath)
