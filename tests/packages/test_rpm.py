# SPDX-License-Identifier: MIT
"""The RPM package as a file, built by Debian's rpm. The scripts that a Red Hat system's macros make
of the spec, and its installation, are not tried here."""

import re

import pytest

import package_files as files
from lib.namespaces import run

@pytest.fixture(scope="module", name="package")
def _package(package_maker, tmp_path_factory):
    return package_maker("make-rpm", tmp_path_factory.mktemp("rpm"))


def _query(package, *arguments):
    return run("rpm", "--query", "--package", *arguments, package).stdout


def test_files_modes_and_owners(package, tmp_path):
    lines = [line.split() for line in _query(
        package, "--qf", "[%{FILEMODES:perms} %{FILEUSERNAME} %{FILEGROUPNAME} "
        "%{FILENAMES}\\n]").splitlines()]
    found = {words[3]: words[0] for words in lines if words[0][0] == "-"}
    licence = {path: mode for path, mode in found.items()
               if path.startswith("/usr/share/licenses/")}
    assert list(licence.values()) == ["-rw-r--r--"]
    assert files.without_unit(found) == {**files.expected(tmp_path), **licence}
    assert {tuple(words[1:3]) for words in lines} == {("root", "root")}


def test_the_configuration_is_the_administrators(package):
    assert _query(package, "--configfiles").split() == [files.CONFIG]
    flags = dict(line.split() for line in _query(
        package, "--qf", "[%{FILENAMES} %{FILEFLAGS:fflags}\\n]").splitlines()
        if len(line.split()) == 2)
    assert flags[files.CONFIG] == "cn", "a configuration file that an update does not replace"


def test_the_version_is_the_same_everywhere(package, version):
    assert package.name == f"trafficduplicator-{version}-1.x86_64.rpm"
    assert f"> - {version}-1\n" in re.search(r"^%changelog\n(.*\n)", files.SPEC.read_text(),
                                             re.MULTILINE)[1]


def test_rpmlint_is_silent(package):
    done = run("rpmlint", "-c", files.SPEC.with_name("rpmlint.toml"), files.SPEC, package, check=False)
    assert done.returncode == 0 and " 0 errors, 0 warnings," in done.stdout, done.stdout
