# SPDX-License-Identifier: MIT
"""What every package installs: what `make install` does, and more documents."""

import stat

from conftest import REPOSITORY
from lib.namespaces import run

CONFIG = "/etc/trafficduplicator/trafficduplicator.config"
DOCUMENTS = "/usr/share/doc/trafficduplicator"
UNIT = "/systemd/system/trafficduplicator.service"
SPEC = REPOSITORY / "packaging/rpm/trafficduplicator.spec"
TEXTS = {f"{DOCUMENTS}/{path.name}": "-rw-r--r--" for pattern in
         ("README.md", "CHANGELOG.md", "docs/*.md", "docs/*.svg")
         for path in REPOSITORY.glob(pattern)}
TEXTS |= {f"{DOCUMENTS}/images/{path.name}": "-rw-r--r--"
          for path in (REPOSITORY / "docs/images").iterdir()}


def expected(folder):
    """{path: mode as ls -l shows it}, but for the unit, whose folder is the distribution's; what
    `make install` installs is put into the folder for that."""
    run("make", "-C", REPOSITORY, "-o", "build/trafficduplicator", "install", "PREFIX=/usr",
        f"DESTDIR={folder}")
    found = {"/" + str(path.relative_to(folder)): stat.filemode(path.stat().st_mode)
             for path in folder.rglob("*") if path.is_file()}
    assert CONFIG in found
    return {path: mode for path, mode in {**found, **TEXTS}.items() if not path.endswith(UNIT)}


def without_unit(modes):
    """The same without the unit, which must be there, for all to read."""
    units = [path for path in modes if path.endswith(UNIT)]
    assert [modes[path] for path in units] == ["-rw-r--r--"]
    return {path: mode for path, mode in modes.items() if path not in units}
