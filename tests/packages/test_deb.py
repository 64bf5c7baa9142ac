# SPDX-License-Identifier: MIT
"""The Debian package as a file. What it does to a machine, tests/vm/test_package.py shows."""

import re

import pytest

import package_files as files
from conftest import REPOSITORY
from lib.namespaces import run


@pytest.fixture(scope="module", name="package")
def _package(package_maker, tmp_path_factory):
    """Made where a package of a former version lies."""
    folder = tmp_path_factory.mktemp("deb")
    (folder / "trafficduplicator_0.0.1_amd64.deb").touch()
    return package_maker("make-deb", folder)


@pytest.fixture(scope="module", name="unpacked")
def _unpacked(package, tmp_path_factory):
    folder = tmp_path_factory.mktemp("unpacked")
    run("dpkg-deb", "--raw-extract", package, folder)
    return folder


def _listing(package):
    """{path: (mode, owner)} of its files; compressed documents without their .gz."""
    lines = [line.split() for line in run("dpkg-deb", "--contents", package).stdout.splitlines()]
    return {re.sub(r"(/usr/share/(doc|man)/.*)\.gz$", r"\1", words[5][1:]): (words[0], words[1])
            for words in lines if not words[0].startswith("d")}


def test_files_modes_and_owners(package, tmp_path):
    found = _listing(package)
    own = (f"{files.DOCUMENTS}/changelog", f"{files.DOCUMENTS}/copyright",
           "/usr/share/lintian/overrides/trafficduplicator")
    assert files.without_unit({path: mode for path, (mode, _) in found.items()}) == {
        **files.expected(tmp_path), **dict.fromkeys(own, "-rw-r--r--")}
    assert {owner for _, owner in found.values()} == {"root/root"}


def test_the_configuration_is_the_administrators(unpacked):
    assert (unpacked / "DEBIAN/conffiles").read_text().split() == [files.CONFIG]
    shipped = REPOSITORY / "config/trafficduplicator.config"
    assert (unpacked / files.CONFIG[1:]).read_bytes() == shipped.read_bytes()


def test_the_version_is_the_same_everywhere(package, unpacked, version):
    assert package.name == f"trafficduplicator_{version}_amd64.deb"
    assert run("dpkg-deb", "-f", package, "Version").stdout.strip() == version
    changelog = run("zcat", unpacked / files.DOCUMENTS[1:] / "changelog.gz").stdout
    assert changelog.startswith(f"trafficduplicator ({version}) ")
    assert version in run(unpacked / "usr/sbin/trafficduplicator", "--version").stdout
    assert f"\n## {version}\n" in (REPOSITORY / "CHANGELOG.md").read_text()


def test_it_is_the_only_one_there(package):
    """README has whatever matches installed."""
    assert list(package.parent.glob("trafficduplicator_*.deb")) == [package]


def test_what_it_needs(package):
    needed = re.findall(r"[\w.+-]+", re.sub(r"\([^)]*\)", "", run(
        "dpkg-deb", "-f", package, "Depends").stdout))
    assert "nftables" in needed
    assert {"libbpf1", "libjson-c5", "libnetfilter-queue1", "libc6"} <= set(needed)
    assert "iptables" in run("dpkg-deb", "-f", package, "Recommends").stdout


def test_lintian_is_silent(package):
    """Its faintest remarks included, and overrides that nothing needs."""
    done = run("lintian", "--allow-root", "--display-info", "--pedantic", "--fail-on",
               "error,warning,info,pedantic", package.with_suffix(".changes"), check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


def test_every_override_is_explained():
    lines = (REPOSITORY / "packaging/debian/trafficduplicator.lintian-overrides").read_text()
    assert all(before.startswith("#") for before, line in
               zip([""] + lines.splitlines(), lines.splitlines()) if not line.startswith("#"))


def test_the_same_sources_give_the_same_package(package, package_maker, tmp_path):
    """From another folder, in another time zone."""
    again = package_maker("make-deb", tmp_path / "else", TZ="Asia/Tokyo")
    for one in package.parent.glob("*.deb"):
        assert one.read_bytes() == (again.parent / one.name).read_bytes(), one.name
    assert len(list(package.parent.glob("*.deb"))) == 2, "the package and its debug symbols"
