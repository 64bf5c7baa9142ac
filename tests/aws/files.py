# SPDX-License-Identifier: MIT
"""Where things are: what is tested, and the validators that tests/aws/get-validators brought."""

import os
import pathlib

HERE = pathlib.Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
AWS = REPOSITORY / "packaging/aws"
APPLIANCE = AWS / "appliance.yaml"
NLB = AWS / "nlb.yaml"
USER_DATA = AWS / "user-data.yaml"
IMAGE = AWS / "trafficduplicator.pkr.hcl"
PLUGINS = AWS / "plugins.pkr.hcl"
PREPARE_IMAGE = AWS / "prepare-image"
PAGE = REPOSITORY / "docs/aws.md"

VALIDATORS = REPOSITORY / "build/aws"
PACKER = VALIDATORS / "root/usr/bin/packer"
PYTHON_MODULES = VALIDATORS / "root/usr/lib/python3/dist-packages"  # cloud-init and what it needs
CLOUD_INIT = ["/usr/bin/python3", "-m", "cloudinit.cmd.main"]


def environment(**more):
    """To run cloud-init from where it was unpacked, and Packer without calling home."""
    return dict(os.environ, PYTHONPATH=str(PYTHON_MODULES), PYTHONDONTWRITEBYTECODE="1",
                CHECKPOINT_DISABLE="1", **more)
