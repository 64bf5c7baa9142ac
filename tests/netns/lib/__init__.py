# SPDX-License-Identifier: MIT
"""What the network tests stand on: namespaces, captures, packets, the oracle, the daemon."""
