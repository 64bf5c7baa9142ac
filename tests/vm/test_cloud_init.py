# SPDX-License-Identifier: MIT
"""packaging/aws/user-data.yaml on a machine that systemd runs, given to cloud-init as NoCloud data,
with the Debian package. cloud-init's stages are those of the boot; of its modules only those run
that the user data needs, since the rest would change the machine of the other tests."""

import json
import pathlib
import shutil

import pytest

from appliance import CONFIG, PROGRAM, REPOSITORY, UNIT, make, show, table_is_up
from lib.namespaces import run
from lib.waiting import scaled

pytestmark = pytest.mark.vm

PACKAGE = REPOSITORY / "build/trafficduplicator.deb"
USER_DATA = REPOSITORY / "packaging/aws/user-data.yaml"
SEED = pathlib.Path("/var/lib/cloud/seed/nocloud")
SETTINGS = pathlib.Path("/etc/cloud/cloud.cfg.d/99_tests.cfg")
APT = pathlib.Path("/etc/apt/apt.conf.d/99tests")
KERNEL = pathlib.Path("/proc/sys/net/ipv4")
OUTPUT = pathlib.Path("/var/log/cloud-init-output.log")
RESULT = pathlib.Path("/run/cloud-init/result.json")
ADDRESS = "'https://packages.example.com/trafficduplicator_amd64.deb' # CHANGE"

MODULES = """
datasource_list: [NoCloud]
network: {config: disabled}
cloud_init_modules: [write-files]
cloud_config_modules: [runcmd]
cloud_final_modules: [scripts-user]
"""
NO_SOURCES = 'Dir::Etc::SourceList "/dev/null"; Dir::Etc::SourceParts "/dev/null";\n'
STAGES = (["init", "--local"], ["init"], ["modules", "--mode=config"], ["modules", "--mode=final"])


def _boot(instance, user_data):
    """The stages of a first boot, of a machine by that name; returns cloud-init's result."""
    SEED.mkdir(parents=True, exist_ok=True)
    (SEED / "meta-data").write_text(f"instance-id: {instance}\n")
    (SEED / "user-data").write_text(user_data)
    OUTPUT.unlink(missing_ok=True)
    for stage in STAGES:
        run("cloud-init", *stage, check=False, timeout_s=scaled(60))
    return json.loads(RESULT.read_text())["v1"]


def _user_data():
    text = USER_DATA.read_text()
    assert ADDRESS in text
    return text.replace(ADDRESS, f"'file:{PACKAGE}'\n      tries=1")


@pytest.fixture
def fresh():
    """The machine without what `make install` brought, which is back afterwards."""
    make("uninstall")
    shutil.rmtree(CONFIG.parent, ignore_errors=True)
    SETTINGS.write_text(MODULES)
    APT.write_text(NO_SOURCES)
    files = [KERNEL / "ip_forward", KERNEL / "conf/all/rp_filter",
             *KERNEL.glob("conf/*/send_redirects")]
    kernel = {file: file.read_text() for file in files}
    yield
    print(OUTPUT.read_text() if OUTPUT.exists() else "cloud-init ran nothing")
    print(run("journalctl", "-b", "-u", UNIT, "-n", 40, "-o", "cat", "--no-pager").stdout)
    run("cloud-init", "clean", timeout_s=scaled(15))
    run("dpkg", "--purge", "trafficduplicator", check=False, timeout_s=scaled(60))
    for file, value in kernel.items():
        file.write_text(value)
    for folder in ("/etc/trafficduplicator-setup", "/var/lib/trafficduplicator-setup", SEED):
        shutil.rmtree(folder, ignore_errors=True)
    for file in (APT, SETTINGS, pathlib.Path("/etc/sysctl.d/60-trafficduplicator.conf")):
        file.unlink()
    make("install")


def test_from_user_data_to_duplication(fresh):
    """A first boot with a mistake in the configuration, which starts nothing; and one without."""
    result = _boot("first", _user_data().replace('"10.0.2.10/514"', '"10.0.2.10/0"'))
    assert any("runcmd" in error for error in result["errors"]), result
    assert "FAILED: the configuration is not valid" in OUTPUT.read_text()
    assert show("ActiveState") != "active" and show("UnitFileState") == "disabled"
    assert not table_is_up()

    run("cloud-init", "clean", timeout_s=scaled(15))
    result = _boot("second", _user_data())
    assert "NoCloud" in result["datasource"] and result["errors"] == [], result
    assert [show("ActiveState"), show("UnitFileState")] == ["active", "enabled"]
    assert table_is_up()
    assert "10.0.1.10/514" in run(PROGRAM, "status").stdout
    assert f"{run(PROGRAM, '--version').stdout.strip()} is running" in OUTPUT.read_text()

    # As an administrator does it by hand.
    pid = show("MainPID")
    again = run("trafficduplicator-setup", timeout_s=scaled(60)).stdout
    assert "installing" not in again and show("MainPID") == pid, "reloaded, and not restarted"
