# SPDX-License-Identifier: MIT
"""The user data: cloud-init takes it, and what it does at a first boot, at a second run, and where
something is wrong."""

import base64
import hashlib

import pytest
import yaml

from files import APPLIANCE, PREPARE_IMAGE, USER_DATA
from lib.daemon import command
from lib.namespaces import run
from machine import CONFIG, PACKAGE, SCRIPT, SETUP, Machine, make_package, validate_user_data
from template import Stack, read

URL = "https://packages.example.com/trafficduplicator_amd64.deb"


@pytest.fixture(scope="session", name="package")
def _package(tmp_path_factory):
    return make_package(tmp_path_factory.mktemp("package"))


@pytest.fixture(name="machine")
def _machine(tmp_path, package):
    made = Machine(tmp_path, package)
    yield made
    made.remove()


def _user_data(machine, url=f"file:{PACKAGE}", sha256=""):
    """The file, as an administrator changes it; failures are not tried again."""
    text = USER_DATA.read_text()
    for old, new in ((f"'{URL}' # CHANGE", f"'{url}'"),
                     ("PACKAGE_SHA256=''", f"PACKAGE_SHA256='{sha256}'\n      tries=1"),
                     ("SIGNAL_URL=''", f"SIGNAL_URL='{machine.signal_url}'")):
        assert text.count(old) == 1
        text = text.replace(old, new)
    return text


def _version():
    return command("--version").stdout.strip()


# What cloud-init says.

def _from_template(**parameters):
    stack = Stack(read(APPLIANCE.read_text()), Destinations="10.0.1.10/514", **parameters)
    return base64.b64decode(stack.resource("Appliance")["UserData"]).decode()


@pytest.mark.parametrize("text", [USER_DATA.read_text(), _from_template()],
                         ids=["file", "template"])
def test_cloud_init_takes_it(tmp_path, text):
    file = tmp_path / "user-data"
    file.write_text(text)
    done = validate_user_data(file)
    assert done.returncode == 0 and "Valid" in done.stdout, done.stderr


def test_cloud_init_finds_a_fault(tmp_path):
    file = tmp_path / "user-data"
    file.write_text(USER_DATA.read_text().replace("permissions:", "permission:", 1))
    done = validate_user_data(file)
    assert done.returncode == 1 and "'permission' was unexpected" in done.stderr


def test_shellcheck(tmp_path):
    file = tmp_path / "setup"
    scripts = [entry["content"] for entry in yaml.safe_load(USER_DATA.read_text())["write_files"]
               if entry["path"] == SCRIPT]
    file.write_text(scripts[0])
    # The settings are not here; what they set is.
    run("shellcheck", "-e", "SC1091,SC2154", file)
    assert "${" not in scripts[0], "Fn::Sub would take it for a parameter"


# What it does.

def test_first_boot(machine, package):
    digest = hashlib.sha256(package.read_bytes()).hexdigest()
    done = machine.boot(_user_data(machine, sha256=digest))
    assert done.returncode == 0, done.said
    assert machine.read(CONFIG) == machine.read(f"{SETUP}/config")
    assert machine.run("stat", "-c", "%U %a", CONFIG, f"{SETUP}/settings").said.split() == [
        "root", "644", "root", "600"]
    assert machine.asked_of_systemd() == [
        "enable trafficduplicator", "is-active --quiet trafficduplicator",
        "start trafficduplicator"]
    kernel = ["net.ipv4.ip_forward", "net.ipv4.conf.all.rp_filter",
              "net.ipv4.conf.lo.send_redirects"]
    assert machine.run("sysctl", "-n", *kernel).said.split() == ["1", "2", "0"]
    body = {"Status": "SUCCESS", "Reason": _version(), "UniqueId": "setup", "Data": _version()}
    assert machine.signals == [("/handle?a=b&c=%2F", "", body)]
    assert f"{_version()} is running" in done.said


def test_later_runs(machine):
    """Nothing is installed again, what runs is reloaded, or restarted where that is not enough, and
    a configuration that somebody changed is kept."""
    assert machine.boot(_user_data(machine)).returncode == 0
    machine.run("rm", PACKAGE)
    machine.asked_of_systemd()
    assert "installing" not in machine.run(SCRIPT).said
    assert machine.asked_of_systemd()[-1] == "reload trafficduplicator"

    machine.write("/etc/systemctl.fails", "reload\n")
    other = machine.read(CONFIG).replace("10.0.2.10/514", "10.0.3.10/514")
    machine.write(f"{SETUP}/config", other)
    machine.run(SCRIPT)
    assert machine.asked_of_systemd()[-2:] == [
        "reload trafficduplicator", "restart trafficduplicator"]
    assert machine.read(CONFIG) == other, "nobody changed it on the machine"

    machine.write(CONFIG, "mine")
    assert f"{CONFIG} was changed on this machine: kept" in machine.run(SCRIPT).said
    assert machine.read(CONFIG) == "mine"


def test_an_image_that_has_the_package(machine):
    machine.run("dpkg", "-i", PACKAGE)
    done = machine.boot(_user_data(machine, url=""))
    assert done.returncode == 0, done.said
    assert machine.read(CONFIG) == machine.read(f"{SETUP}/config"), "not the package's"


def test_by_the_template(machine):
    text = _from_template(references={"Ready": machine.signal_url}, FirstPort="2055",
                          LastPort="2060", ClientCidr="10.1.0.0/16",
                          PackageUrl=f"file:{PACKAGE}")
    done = machine.boot(text)
    assert done.returncode == 0, done.said
    assert '"SOURCEPORT": "2055-2060"' in machine.read(CONFIG)
    assert [body["Status"] for _, _, body in machine.signals] == ["SUCCESS"]


# What it says of what is wrong.

def _fails(machine, text, said):
    done = machine.boot(text)
    assert done.returncode == 1
    assert f"trafficduplicator-setup: FAILED: {said}" in done.said, done.said
    [(_, _, body)] = machine.signals
    assert body["Status"] == "FAILURE" and body["Reason"].startswith(said), body
    if not machine.read("/etc/systemctl.fails"):
        assert machine.asked_of_systemd() == []


def test_a_bad_configuration(machine):
    """Said with its line; nothing starts, and the package's own configuration stays."""
    machine.run("dpkg", "-i", PACKAGE)
    text = _user_data(machine, url="").replace('"10.0.2.10/514"', '"10.0.2.10/0"')
    _fails(machine, text, "the configuration is not valid: ")
    assert "10.0.2.10/0" in machine.signals[0][2]["Reason"]
    assert "10.0.2.10/0" not in machine.read(CONFIG)


def test_another_file_than_promised(machine):
    _fails(machine, _user_data(machine, sha256="0" * 64), f"cannot get file:{PACKAGE}")
    assert not machine.exists("/usr/sbin/trafficduplicator")


def test_no_package_anywhere(machine):
    _fails(machine, _user_data(machine, url=""), "no PACKAGE_URL, and the image does not have")


def test_a_service_that_does_not_start(machine):
    machine.run("dpkg", "-i", PACKAGE)
    machine.write("/etc/systemctl.fails", "start\n")
    _fails(machine, _user_data(machine, url=""), "the service does not start: journalctl -u")


# The image.

def test_prepare_image(machine):
    """What Packer runs: the package is there and not enabled, what is the machine's own is gone."""
    machine.write("/root/prepare-image", PREPARE_IMAGE.read_bytes())
    machine.write("/root/.ssh/authorized_keys", "key\n")
    done = machine.run("sh", "/root/prepare-image", PACKAGE)
    assert _version() in done.said
    assert machine.asked_of_systemd()[-1] == "disable trafficduplicator"
    assert machine.read("/etc/machine-id") == ""
    assert not machine.exists("/root/.ssh/authorized_keys") and not machine.exists(PACKAGE)
