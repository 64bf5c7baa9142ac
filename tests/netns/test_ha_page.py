# SPDX-License-Identifier: MIT
"""docs/high-availability.md says what packaging/ha holds and what is installed. Its commands for
addresses and kernel settings are run by lib/appliance_networks.py."""

import re
import shutil

import pytest

from lib import ha_page
from lib.appliances import ENGINES, PACKAGING, engine
from lib.daemon import REPOSITORY
from lib.namespaces import run
from test_installation import INSTALLED

FILES = {path: path.read_text(encoding="utf-8") for path in PACKAGING.rglob("*") if path.is_file()}


@pytest.mark.parametrize("excerpt", [b for b in ha_page.blocks("") if "──" not in b])
def test_excerpts_stand_in_a_file(excerpt):
    assert any(excerpt in content for content in FILES.values())


def test_the_configuration_is_the_file():
    assert ha_page.blocks("json") == [FILES[PACKAGING / "trafficduplicator.config"]]


def test_paths_are_installed():
    named = set(re.findall(r"/usr/(?:lib|share/doc)/trafficduplicator/[\w./-]*\w", ha_page.text()))
    assert len(named) > 4
    for path in named:
        assert any(f"{there}/".startswith(f"{path}/") for there in INSTALLED), path


def test_links_lead_to_files_and_headings():
    links = re.findall(r"\]\((\.\./[^)]*|#[^)]*)\)", ha_page.text())
    headings = {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in
                re.findall(r"^#+ (.*)$", ha_page.text(), re.MULTILINE)}
    assert len(links) > 5
    for link in links:
        if link.startswith("#"):
            assert link[1:] in headings, link
        else:
            assert (REPOSITORY / "docs" / link).exists(), link


def test_services_and_packages_exist():
    engine("bird")
    calls = re.findall(r"^sudo systemctl [\w-]+ (?:--now )?([a-z-]+)", ha_page.text(), re.MULTILINE)
    assert len(calls) > 5
    units = {path.name for place in (ENGINES / "lib/systemd/system", PACKAGING)
             for path in place.glob("*.service")} | {"trafficduplicator.service"}
    assert {f"{name}.service" for name in calls} <= units
    packages = re.findall(r"apt-get install ([\w ]+)`", ha_page.text())
    assert len(packages) == 2
    fetched = (REPOSITORY / "Makefile").read_text() + \
        (REPOSITORY / "tests/install-packages").read_text()
    for name in " ".join(packages).split():
        assert re.search(rf"\b{name}\b", fetched), name


def test_the_drain_is_called_as_it_is_used():
    calls = re.findall(r"^sudo \S+/trafficduplicator-drain (\w+)$", ha_page.text(), re.MULTILINE)
    assert calls == ["start", "end"]
    usage = run(PACKAGING / "trafficduplicator-drain", "--help").stdout
    assert all(re.search(rf"^  {verb}  ", usage, re.MULTILINE) for verb in calls)


def test_systemd_finds_no_fault_in_the_unit(tmp_path):
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd is not installed")
    unit = tmp_path / "trafficduplicator-announce.service"
    unit.write_text(FILES[PACKAGING / unit.name].replace(
        "/usr/lib/trafficduplicator", str(PACKAGING)).replace("=bird", "=root"))
    done = run("systemd-analyze", "verify", "--man=no", unit, check=False)
    assert unit.name not in done.stderr, done.stderr
    score = run("systemd-analyze", "security", "--offline=true", "--threshold=20", unit,
                check=False)
    assert score.returncode == 0, score.stdout
