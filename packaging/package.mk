# SPDX-License-Identifier: MIT
# make dist, deb, rpm and container; included by the Makefile. The first three begin with the tarball,
# so that what is packaged is what git knows, and not what happens to lie in the tree.

.PHONY: dist
dist:
	@mkdir -p build
	packaging/make-dist build

.PHONY: deb
deb:
	tests/install-packages deb
	packaging/make-deb build/deb

# Where there is no apt, rpmbuild says what it lacks.
.PHONY: rpm
rpm:
	command -v apt-get >/dev/null || exit 0; tests/install-packages rpm
	packaging/make-rpm build/rpm

# What the program is made of, for those who look after weaknesses in libraries.
.PHONY: sbom
sbom:
	tests/install-packages build sbom
	@$(MAKE) --no-print-directory -s all
	packaging/make-sbom $(PROGRAM) build/trafficduplicator-$(VERSION).cdx.json

# CycloneDX's own schema, from the npm registry, for the test of it.
SBOM_SCHEMA := build/sbom/node_modules/.package-lock.json
$(SBOM_SCHEMA): tests/packages/package.json tests/packages/package-lock.json
	@mkdir -p build/sbom
	cp $^ build/sbom
	cd build/sbom && npm ci --omit=optional --ignore-scripts --no-audit --no-fund --loglevel=error

.PHONY: sbom-schema
sbom-schema: $(SBOM_SCHEMA)

# The image, by whichever engine is there: docs/container.md.
ENGINE ?= $(firstword $(notdir $(wildcard /usr/bin/podman /usr/bin/docker)))
CONTAINER_OPTIONS ?=
.PHONY: container check-container
container:
	$(if $(ENGINE),,$(error neither podman nor docker is installed. On Debian: sudo apt-get install podman))
	$(ENGINE) build $(if $(filter podman,$(notdir $(ENGINE))),--format docker) $(CONTAINER_OPTIONS) \
		-f packaging/container/Containerfile -t trafficduplicator:$(VERSION) \
		-t trafficduplicator:latest .

check-container:
	tests/container/run
