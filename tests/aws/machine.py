# SPDX-License-Identifier: MIT
"""A machine at its first boot, as far as that can be had without one: this machine's own system,
seen through an overlay that takes every change, in a network namespace without a way out. dpkg,
apt, sysctl and cloud-init's own code are real. systemd is not there: `systemctl` notes what it is
asked, and says what the test wants. tests/vm has the real one.
"""

import http.server
import json
import os
import subprocess
import threading

from files import CLOUD_INIT, PYTHON_MODULES
from lib.daemon import PROGRAM, REPOSITORY, environment
from lib.namespaces import Namespaces, run

CONFIG = "/etc/trafficduplicator/trafficduplicator.config"
SETUP = "/etc/trafficduplicator-setup"
SCRIPT = "/usr/local/sbin/trafficduplicator-setup"
PACKAGE = "/root/trafficduplicator.deb"

MAKE_OVERLAY = """
set -e
mount -t tmpfs none "$1"
cd "$1"
mkdir upper work root
mount -t overlay none -o lowerdir=/,upperdir=upper,workdir=work root
for folder in proc dev; do mount --rbind /$folder root/$folder; done
mkdir -p root/modules
mount --bind "$2" root/modules
echo made
exec sleep infinity
"""
# What `systemctl` is here: /etc/systemctl.fails lists the verbs that fail.
SYSTEMCTL = """#!/bin/sh
echo "$*" >>/var/log/systemctl
grep -qx "$1" /etc/systemctl.fails && exit 1
case $1 in
start | restart) touch /run/service-is-active ;;
is-active) test -e /run/service-is-active ;;
esac
"""
# cloud-init's modules write-files and runcmd, as they are at the boot.
RUN_USER_DATA = """
import logging, subprocess, sys
from cloudinit import util
from cloudinit.config import cc_write_files
config = util.load_yaml(open("/root/user-data").read())
cc_write_files.write_files("write-files", config["write_files"], "root:root")
sys.stdout.flush()
sys.exit(subprocess.run(["sh", "-c", util.shellify(config["runcmd"])]).returncode)
"""


def make_package(folder):
    """A Debian package of the files that `make install` installs, with its config as conffile."""
    tree = folder / "tree"
    run("make", "-C", REPOSITORY, "-o", PROGRAM, "install", f"BUILD={PROGRAM.parent}",
        "PREFIX=/usr", f"DESTDIR={tree}")
    (tree / "DEBIAN").mkdir()
    (tree / "DEBIAN/control").write_text(
        "Package: trafficduplicator\nVersion: 0.0.1\nArchitecture: all\n"
        "Maintainer: Tests <tests@example.com>\nDescription: for tests of the user data\n")
    (tree / "DEBIAN/conffiles").write_text(CONFIG + "\n")
    run("dpkg-deb", "--root-owner-group", "-Znone", "-b", tree, folder / "trafficduplicator.deb")
    return folder / "trafficduplicator.deb"


class _Signals(http.server.BaseHTTPRequestHandler):
    """What CloudFormation's wait condition handle gets."""

    def do_PUT(self):  # pylint: disable=invalid-name
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.path, self.headers["Content-Type"], json.loads(body)))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):  # pylint: disable=arguments-differ
        pass


class Machine:
    """See above. remove() ends it."""

    def __init__(self, folder, package=None):
        self._root = folder / "machine"
        self._root.mkdir()
        self._namespaces = Namespaces()
        self._namespaces.add("machine")
        self._namespace = self._namespaces["machine"]
        with self._namespace.entered():
            self._server = http.server.HTTPServer(("127.0.0.1", 0), _Signals)
        self._server.got = []
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self._holder = subprocess.Popen(
            self._namespace.command("unshare", "--mount", "sh", "-c", MAKE_OVERLAY, "sh",
                                    self._root, PYTHON_MODULES),
            stdout=subprocess.PIPE, text=True)
        assert self._holder.stdout.readline() == "made\n"
        for path in ("/etc/apt/sources.list", "/etc/apt/sources.list.d"):
            self.run("rm", "-rf", path)
        self.write("/etc/dpkg/dpkg.cfg.d/tests", "force-unsafe-io\npath-exclude=/usr/share/man/*\n")
        self.write("/usr/local/bin/systemctl", SYSTEMCTL, mode="755")
        self.write("/etc/systemctl.fails", "")
        self.run("dpkg", "--force-all", "--purge", "trafficduplicator")
        if package:
            self.write(PACKAGE, package.read_bytes())

    @property
    def signal_url(self):
        return f"http://127.0.0.1:{self._server.server_port}/handle?a=b&c=%2F"

    @property
    def signals(self):
        """(path, content type, body) of each signal."""
        return self._server.got

    def run(self, *arguments, check=True, stdin=None, **variables):
        """Runs a program in it."""
        done = subprocess.run(
            ["nsenter", f"--target={self._holder.pid}", "--mount", "--net", "chroot",
             self._root / "root", *arguments],
            input=stdin, capture_output=True, check=False, timeout=120,
            env={**environment(), "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin",
                 "LC_ALL": "C.UTF-8", "PYTHONPATH": "/modules", "HOME": "/root", **variables})
        done.said = done.stdout.decode() + done.stderr.decode()
        assert not check or done.returncode == 0, done.said
        return done

    def write(self, path, content, mode="644"):
        data = content if isinstance(content, bytes) else content.encode()
        self.run("install", "-D", "-m", mode, "/dev/stdin", path, stdin=data)

    def read(self, path):
        return self.run("cat", path).stdout.decode()

    def exists(self, path):
        return self.run("test", "-e", path, check=False).returncode == 0

    def boot(self, user_data):
        """What cloud-init does with user data at the first boot; returns the end of it."""
        self.write("/root/user-data", user_data)
        return self.run("/usr/bin/python3", "-c", RUN_USER_DATA, check=False)

    def asked_of_systemd(self):
        """The calls of systemctl, and forgets them."""
        if not self.exists("/var/log/systemctl"):
            return []
        calls = self.read("/var/log/systemctl").splitlines()
        self.run("rm", "/var/log/systemctl")
        return calls

    def remove(self):
        self._server.shutdown()
        self._server.server_close()
        self._holder.kill()
        self._holder.wait()
        self._holder.stdout.close()
        self._namespaces.remove()


def validate_user_data(path):
    """cloud-init's own opinion of a file."""
    return run(*CLOUD_INIT, "schema", "--config-file", path, check=False,
               env=dict(os.environ, PYTHONPATH=str(PYTHON_MODULES), PYTHONDONTWRITEBYTECODE="1"))
