# SPDX-License-Identifier: MIT
"""The Packer template, judged by Packer itself. An image is not made: that takes an AWS account."""

import subprocess

import pytest

from files import IMAGE, PACKER, PLUGINS, PREPARE_IMAGE, environment


def _packer(*arguments, folder):
    return subprocess.run([PACKER, *arguments], capture_output=True, text=True, check=False,
                          env=environment(HOME=str(folder)))


@pytest.fixture(name="validate")
def _validate(tmp_path):
    """Packer's opinion of the template, or of another text in its place."""
    package = tmp_path / "trafficduplicator.deb"
    package.touch()
    (tmp_path / PREPARE_IMAGE.name).write_text(PREPARE_IMAGE.read_text())

    def validate(text=IMAGE.read_text()):
        (tmp_path / IMAGE.name).write_text(text)
        return _packer("validate", f"-var=package={package}", tmp_path / IMAGE.name,
                       folder=tmp_path)
    return validate


def test_packer_takes_it(validate):
    done = validate()
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("old, new, said", [
    ("ssh_username ", "ssh_user ", "An argument named \"ssh_user\" is not expected here"),
    ("var.region", "var.regio", "regio"),
    ("{path.root}/prepare-image", "{path.root}/prepare", "Bad script"),
    ('sources = ["source.amazon-ebs.debian"]', 'sources = ["source.amazon-ebs.debia"]', "debia"),
    ("source_ami_filter", "ami_filter", "ami_filter"),
])
def test_packer_finds_a_fault(validate, old, new, said):
    text = IMAGE.read_text()
    assert old in text
    done = validate(text.replace(old, new))
    assert done.returncode == 1 and said in done.stdout + done.stderr


def test_form(tmp_path):
    for path in (IMAGE, PLUGINS):
        done = _packer("fmt", "-check", "-diff", path, folder=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr


def test_plugins_are_for_newer_packers(tmp_path):
    """Debian's Packer has them built in and does not know the block, but can read the file."""
    done = _packer("validate", PLUGINS, folder=tmp_path)
    said = done.stdout + done.stderr
    assert 'Blocks of type "required_plugins" are not expected here' in said
    assert said.count("Error:") == 1, said
