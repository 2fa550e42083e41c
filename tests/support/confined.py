"""Runs a command under what a service's unit forbids, as far as that can be had without systemd as
the first process. As root:

    python confined.py UNIT STATE_FOLDER COMMAND [ARGUMENT…]

Applied: User (65534 here), ProtectSystem=strict with the state folder left writable, ProtectHome
(but for the Python and the code that are to run), PrivateDevices, ProtectProc and ProcSubset,
PrivateIPC, no capabilities, NoNewPrivileges, MemoryDenyWriteExecute, SystemCallFilter,
RestrictAddressFamilies, RestrictNamespaces, RestrictRealtime, UMask and the Limit… lines. Not
applied, as they need a manager or a user namespace: MemoryMax, TasksMax, DevicePolicy,
PrivateUsers, the rest of the Protect… lines.
"""

from __future__ import annotations

import ctypes
import os
import resource
import subprocess
import sys
from collections import defaultdict
from contextlib import suppress
from pathlib import Path

from folders import ROOT

LIBC = ctypes.CDLL(None, use_errno=True)
NEW_NS = 0x00020000
NEW_IPC = 0x08000000
NAMESPACES = 0x7E020080  # every CLONE_NEW…
BIND = 4096
REMOUNT = 32
READ_ONLY = 1
RECURSIVE = 16384
PRIVATE = 1 << 18
NO_SUID = 2
NOBODY = 65534
# https://man7.org/linux/man-pages/man3/seccomp_init.3.html
ALLOW = 0x7FFF0000
ERRNO = 0x00050000
EPERM = 1
ENOSYS = 38
EAFNOSUPPORT = 97
# comparisons of libseccomp
NOT_EQUAL = 1
MASKED = 7


def checked(result: int, what: str) -> None:
    if result < 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno() or -result)}")


def mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    encoded = [text.encode() or None for text in (source, target, kind)]
    checked(
        LIBC.mount(*encoded, ctypes.c_ulong(flags), options.encode() or None), f"mount {target}"
    )


def directives(unit: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for line in unit.read_text().splitlines():
        name, sign, value = line.partition("=")
        if sign and not line.startswith("#"):
            found[name].append(value)
    return found


def hide_and_protect(state: Path) -> None:
    """The mount namespace: everything read-only but the state folder, and a handful of devices."""
    checked(LIBC.unshare(NEW_NS | NEW_IPC), "unshare")
    mount("", "/", flags=RECURSIVE | PRIVATE)
    mount(str(state), str(state), flags=BIND)
    mount("tmpfs", "/dev/shm", "tmpfs", NO_SUID, "mode=1777")
    empty_homes()
    for point in [
        line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()
    ]:
        if not point.startswith(("/proc", str(state), "/dev/shm")):
            # some that are mounted in odd ways; whether it is true is what tests try
            with suppress(OSError):
                mount("", point, flags=BIND | REMOUNT | READ_ONLY)
    devices(["null", "zero", "full", "random", "urandom", "tty"])
    mount("proc", "/proc", "proc", 0, "hidepid=invisible,subset=pid")


def empty_homes() -> None:
    """Homes, and what else is closed to others, have nothing in them but the Python and the code
    that are to run.
    """
    needed = [Path(each).resolve() for each in (sys.base_prefix, sys.prefix, ROOT)]
    closed = [
        next((one for one in [*reversed(each.parents), each] if not one.stat().st_mode & 1), None)
        for each in needed
    ]
    for home in sorted({Path("/home"), Path("/root"), *filter(None, closed)}):
        kept = [each for each in needed if each.is_relative_to(home)]
        for number, each in enumerate(kept):
            Path(f"/dev/shm/kept-{number}").mkdir()
            mount(str(each), f"/dev/shm/kept-{number}", flags=BIND | RECURSIVE)
        mount("tmpfs", str(home), "tmpfs", NO_SUID, "mode=755")
        for number, each in enumerate(kept):
            each.mkdir(parents=True, exist_ok=True)
            mount(f"/dev/shm/kept-{number}", str(each), flags=BIND | RECURSIVE)
            checked(LIBC.umount2(f"/dev/shm/kept-{number}".encode(), 2), "umount")
            Path(f"/dev/shm/kept-{number}").rmdir()


def devices(names: list[str]) -> None:
    Path("/dev/shm/new").mkdir()
    mount("tmpfs", "/dev/shm/new", "tmpfs", NO_SUID, "mode=755")
    for name in [*names, "shm"]:
        target = Path("/dev/shm/new") / name
        if name == "shm":
            target.mkdir()
            mount("tmpfs", str(target), "tmpfs", NO_SUID, "mode=1777")
        else:
            target.touch()
            mount(f"/dev/{name}", str(target), flags=BIND)
    mount("/dev/shm/new", "/dev", flags=BIND | RECURSIVE)


def give_up_power(unit: dict[str, list[str]]) -> None:
    for capability in range(64):
        LIBC.prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP
    os.umask(int(unit["UMask"][-1], 8))
    for name, values in unit.items():
        if name.startswith("Limit"):
            limit = int(values[-1])
            resource.setrlimit(getattr(resource, f"RLIMIT_{name[5:]}"), (limit, limit))
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    checked(LIBC.prctl(38, 1, 0, 0, 0), "no new privileges")
    # PR_SET_MDWE; Linux 6.3
    checked(LIBC.prctl(65, 1, 0, 0, 0), "memory that is written is not executed")


# -- system calls


def known_calls() -> dict[str, set[str]]:
    """systemd's groups of system calls, each with what is in it."""
    shown = subprocess.run(
        ["systemd-analyze", "syscall-filter", "--no-pager"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    groups: dict[str, set[str]] = {}
    for line in shown.splitlines():
        if line.startswith("@"):
            current = groups.setdefault(line.strip(), set())
        elif line.strip() and not line.strip().startswith("#") and groups:
            current.add(line.strip())
    return groups


def allowed_calls(lines: list[str]) -> set[str]:
    groups = known_calls()

    def members(name: str) -> set[str]:
        return (
            {each for one in groups[name] for each in members(one)}
            if name.startswith("@")
            else {name}
        )

    allowed = members("@default")
    for line in lines:
        named = {each for word in line.removeprefix("~").split() for each in members(word)}
        allowed = allowed - named if line.startswith("~") else allowed | named
    return allowed


class Comparison(ctypes.Structure):
    _fields_ = [
        ("argument", ctypes.c_uint),
        ("operation", ctypes.c_int),
        ("a", ctypes.c_uint64),
        ("b", ctypes.c_uint64),
    ]


def load(default: int, rules: list[tuple[int, str, list[Comparison]]]) -> None:
    """Load one filter; the kernel obeys the strictest of those that are loaded."""
    seccomp = ctypes.CDLL("libseccomp.so.2")
    seccomp.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(seccomp.seccomp_init(default))
    for action, name, comparisons in rules:
        number = seccomp.seccomp_syscall_resolve_name(name.encode())
        if number >= 0:  # else this architecture does not have it
            array = (Comparison * len(comparisons))(*comparisons)
            checked(
                seccomp.seccomp_rule_add_array(
                    context, ctypes.c_uint32(action), number, len(comparisons), array
                ),
                name,
            )
    checked(seccomp.seccomp_load(context), "seccomp")


def filter_calls(unit: dict[str, list[str]]) -> None:
    allowed = allowed_calls(unit["SystemCallFilter"])
    families = [
        10 if name == "AF_INET6" else 2 if name == "AF_INET" else 1
        for name in unit["RestrictAddressFamilies"][-1].split()
    ]
    others = [family for family in range(64) if family not in families]
    denied = [(ERRNO | EAFNOSUPPORT, "socket", [Comparison(0, 4, family, 0)]) for family in others]
    denied += [
        (ERRNO | EPERM, "sched_setscheduler", [Comparison(1, 4, policy, 0)]) for policy in (1, 2, 6)
    ]
    bits = [1 << bit for bit in range(32) if NAMESPACES >> bit & 1]
    denied += [(ERRNO | EPERM, "clone", [Comparison(0, MASKED, bit, bit)]) for bit in bits]
    denied += [(ERRNO | EPERM, name, []) for name in ("unshare", "setns")] + [
        (ERRNO | ENOSYS, "clone3", [])
    ]
    load(ALLOW, denied)
    load(ERRNO | EPERM, [(ALLOW, name, []) for name in sorted(allowed)])


def main() -> None:
    unit = directives(Path(sys.argv[1]))
    state = Path(sys.argv[2])
    os.chown(state, NOBODY, NOBODY)
    # systemd-analyze is asked before all is closed
    filtered = allowed_calls(unit["SystemCallFilter"])
    known = known_calls()
    globals()["known_calls"] = lambda: known
    assert "execve" in filtered
    hide_and_protect(state)
    give_up_power(unit)
    os.chdir(state)
    filter_calls(unit)
    os.execvpe(sys.argv[3], sys.argv[3:], {**os.environ, "HOME": str(state), "TMPDIR": str(state)})  # noqa: S606


if __name__ == "__main__":
    main()
