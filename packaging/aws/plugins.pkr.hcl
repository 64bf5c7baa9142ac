# SPDX-License-Identifier: MIT
# Where Packer 1.7 and newer find what Packer 1.6 had built in; `packer init` installs it. In a file
# of its own, because Packer 1.6 does not know this block.

packer {
  required_plugins {
    amazon = {
      version = ">= 1.2.0"
      source  = "github.com/hashicorp/amazon"
    }
  }
}
