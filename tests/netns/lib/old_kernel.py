# SPDX-License-Identifier: MIT
"""PROGRAM ARGUMENT...: runs it so that it finds no tcx links, as on a kernel before 6.6: bpf(2)
refuses to make a link of any kind with EINVAL, by a seccomp filter."""

import ctypes
import os
import platform
import struct
import sys

_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 22, 2
_SYS_BPF = {"x86_64": 321, "aarch64": 280}[platform.machine()]
_BPF_LINK_CREATE = 28
_EINVAL = 22
# include/uapi/linux/bpf_common.h, seccomp.h: load a word of struct seccomp_data, compare, return.
_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_NUMBER_AT, _FIRST_ARGUMENT_AT = 0, 16
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000


def _forbid_links():
    lines = [(_LOAD, 0, 0, _NUMBER_AT), (_JUMP_IF_EQUAL, 0, 3, _SYS_BPF),
             (_LOAD, 0, 0, _FIRST_ARGUMENT_AT), (_JUMP_IF_EQUAL, 0, 1, _BPF_LINK_CREATE),
             (_RETURN, 0, 0, _ERRNO | _EINVAL), (_RETURN, 0, 0, _ALLOW)]
    program = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *line) for line in lines))
    header = ctypes.create_string_buffer(
        struct.pack("@HP", len(lines), ctypes.addressof(program)))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, header, 0, 0) != 0:
        sys.exit(f"seccomp: {os.strerror(ctypes.get_errno())}")


if __name__ == "__main__":
    _forbid_links()
    os.execv(sys.argv[1], sys.argv[1:])
