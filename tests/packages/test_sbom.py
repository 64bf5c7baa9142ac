# SPDX-License-Identifier: MIT
"""What `make sbom` writes."""

import hashlib
import json
import os
import pathlib
import re

import jsonschema
import pytest

from conftest import REPOSITORY
from lib.namespaces import run

PROGRAM = REPOSITORY / "build/trafficduplicator"
SCHEMAS = REPOSITORY / "build/sbom/node_modules/@cyclonedx/cyclonedx-library/res/schema"


@pytest.fixture(scope="module", name="written")
def _written(tmp_path_factory):
    """The file, dated."""
    path = tmp_path_factory.mktemp("sbom") / "sbom.json"
    run(REPOSITORY / "packaging/make-sbom", PROGRAM, path,
        env={**os.environ, "SOURCE_DATE_EPOCH": "1000000000"})
    return path


@pytest.fixture(scope="module", name="sbom")
def _sbom(written):
    return json.loads(written.read_text())


def test_it_is_cyclonedx(sbom):
    """By CycloneDX's own schema."""
    store = {path.name: json.loads(path.read_text()) for path in SCHEMAS.glob("*.json")}
    schema = store["bom-1.5.SNAPSHOT.schema.json"]
    base = schema["$id"].rsplit("/", 1)[0]
    resolver = jsonschema.RefResolver.from_schema(
        schema, store={f"{base}/{name}": content for name, content in store.items()})
    jsonschema.Draft7Validator(schema, resolver=resolver).validate(sbom)


def test_every_library_that_is_loaded_stands_there(sbom):
    """As the dynamic linker itself says when it loads them."""
    loaded = run(PROGRAM, "--version", env={**os.environ, "LD_TRACE_LOADED_OBJECTS": "1"}).stdout
    expected = dict(re.findall(r"(\S+) => (/\S+)", loaded))
    found = {one["properties"][0]["value"]: one for one in sbom["components"]
             if one["type"] == "library"}
    assert len(expected) > 8 and set(found) == set(expected)
    for name, path in expected.items():
        content = pathlib.Path(path).read_bytes()
        assert found[name]["hashes"][0]["content"] == hashlib.sha256(content).hexdigest()


def test_versions_are_those_of_the_packages(sbom):
    found = {one["name"]: one["version"] for one in sbom["components"] if "purl" in one}
    assert "libjson-c5" in found
    for name, version in found.items():
        assert run("dpkg-query", "-W", "-f", "${Version}", name).stdout == version


def test_the_program_and_its_date(sbom, version):
    metadata = sbom["metadata"]
    assert metadata["timestamp"] == "2001-09-09T01:46:40Z"
    assert metadata["component"]["version"] == version
    assert metadata["component"]["hashes"][0]["content"] == \
        hashlib.sha256(PROGRAM.read_bytes()).hexdigest()


def test_the_same_program_gives_the_same_bytes(written, tmp_path):
    again = tmp_path / "sbom.json"
    run(REPOSITORY / "packaging/make-sbom", PROGRAM, again,
        env={**os.environ, "SOURCE_DATE_EPOCH": "1000000000", "TZ": "Asia/Tokyo"})
    assert again.read_bytes() == written.read_bytes()


def test_without_a_program_it_says_what_to_do(tmp_path):
    done = run(REPOSITORY / "packaging/make-sbom", tmp_path / "none", tmp_path / "sbom",
               check=False)
    assert done.returncode == 1 and "run `make` first" in done.stderr
