# SPDX-License-Identifier: MIT
"""Runs a program under a filter of the kernel's that has system calls fail: what a kernel without
them, or a container's profile, does to it.

    refusing.py NUMBER[:ARGUMENT]=ERRNO ... -- PROGRAM ARGUMENT ...

ARGUMENT is the value of the first argument, where only calls with that one are to fail.
"""

import ctypes
import errno
import os
import pathlib
import platform
import struct
import sys

_NUMBERS = {
    "x86_64": {"capset": 126, "prctl": 157, "seccomp": 317},
    "aarch64": {"capset": 91, "prctl": 167, "seccomp": 277},
}
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _MODE_FILTER = 38, 22, 2
_LOAD_WORD, _JUMP_EQUAL, _RETURN = 0x20, 0x15, 0x06
_AT_NUMBER, _AT_FIRST_ARGUMENT = 0, 16
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000


def command(**refused):
    """The words to put before a program's own: name=errno, as capset="EPERM"."""
    numbers = _NUMBERS[platform.machine()]
    words = []
    for name, error in refused.items():
        value = getattr(errno, error)
        if name == "seccomp":  # and the older way to the same
            words.append(f"{numbers['prctl']}:{_PR_SET_SECCOMP}={value}")
        words.append(f"{numbers[name]}={value}")
    return [sys.executable, str(pathlib.Path(__file__)), *words, "--"]


def _program(words):
    code = []
    for word in words:
        what, _, error = word.partition("=")
        number, _, argument = what.partition(":")
        code += [(_LOAD_WORD, 0, 0, _AT_NUMBER),
                 (_JUMP_EQUAL, 0, 3 if argument else 1, int(number))]
        if argument:
            code += [(_LOAD_WORD, 0, 0, _AT_FIRST_ARGUMENT), (_JUMP_EQUAL, 0, 1, int(argument))]
        code.append((_RETURN, 0, 0, _ERRNO | int(error)))
    code.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("HBBI", *instruction) for instruction in code), len(code)


def _main():
    split = sys.argv.index("--")
    code, length = _program(sys.argv[1:split])
    memory = ctypes.create_string_buffer(code)
    program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", length,
                                                      ctypes.addressof(memory)))
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    prctl.argtypes = [ctypes.c_int] + 4 * [ctypes.c_ulong]
    if prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 or \
            prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.addressof(program), 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "no filter can be had")
    os.execvp(sys.argv[split + 1], sys.argv[split + 1:])


if __name__ == "__main__":
    _main()
