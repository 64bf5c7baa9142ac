# SPDX-License-Identifier: MIT
# An Amazon machine image of Debian 12 with Traffic Duplicator installed and not yet configured:
# appliance.yaml starts it with ImageId=ami-... and without PackageUrl. See docs/aws.md.
#
# Packer 1.6 (Debian's):    packer build -var package=FILE.deb trafficduplicator.pkr.hcl
# Packer 1.7 and newer:     packer init . && packer build -var package=FILE.deb .

variable "package" {
  type        = string
  description = "The Debian package on this machine: trafficduplicator_VERSION_amd64.deb."
}

variable "region" {
  type        = string
  description = "Where the image is made."
  default     = "eu-central-1"
}

variable "subnet_id" {
  type        = string
  description = "A subnet with a way to Debian's mirror; none: the default VPC's."
  default     = ""
}

variable "instance_type" {
  type        = string
  description = "What the image is made on, not what it will run on."
  default     = "c6i.large"
}

locals {
  made_at = formatdate("YYYYMMDDhhmmss", timestamp())
}

source "amazon-ebs" "debian" {
  region        = var.region
  subnet_id     = var.subnet_id
  instance_type = var.instance_type
  ssh_username  = "admin"

  # Debian's own account: wiki.debian.org/Cloud/AmazonEC2Image.
  source_ami_filter {
    filters = {
      name                = "debian-12-amd64-*"
      architecture        = "x86_64"
      root-device-type    = "ebs"
      virtualization-type = "hvm"
    }
    owners      = ["136693071363"]
    most_recent = true
  }

  ami_name        = "trafficduplicator-debian-12-amd64-${local.made_at}"
  ami_description = "Debian 12 with Traffic Duplicator"
  encrypt_boot    = true
  tags = {
    Name = "trafficduplicator"
  }
}

build {
  sources = ["source.amazon-ebs.debian"]

  provisioner "file" {
    source      = var.package
    destination = "/tmp/trafficduplicator.deb"
  }

  provisioner "shell" {
    execute_command = "sudo sh '{{ .Path }}' /tmp/trafficduplicator.deb"
    script          = "${path.root}/prepare-image"
  }
}
