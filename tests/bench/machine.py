# SPDX-License-Identifier: MIT
"""Where and when figures were taken."""

import os
import pathlib
import platform
import re
import time


def facts(core, other_core):
    """Kernel, CPU, date, and what else was going on."""
    info = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8")
    model = re.search(r"^model name\s*:\s*(.+)$", info, re.MULTILINE)
    virtual = re.search(r"^flags\s*:.*\bhypervisor\b", info, re.MULTILINE)
    return {
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "kernel": platform.release(),
        "cpu": (model[1] if model else platform.machine())
               + (", virtual machine" if virtual else ""),
        "cores": os.cpu_count(),
        "appliance_core": core,
        "other_core": other_core,
        "load_before": os.getloadavg()[0],
    }
