/* SPDX-License-Identifier: MIT */
#include "control/confine_calls.h"

#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/sockios.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

/* Names that end in _time64, and the like, are those of 32-bit machines. */
const char *const confine_shared_calls[] = {
	/* memory */
	"brk", "munmap", "mremap", "madvise", "memfd_create",
	/* time */
	"clock_gettime", "clock_gettime64", "clock_getres", "clock_getres_time64",
	"clock_nanosleep", "clock_nanosleep_time64", "gettimeofday", "nanosleep", "time",
	"timerfd_create", "timerfd_settime", "timerfd_settime64",
	/* threads and signals; clone3 does not exist here, see confine.c */
	"clone3", "exit", "exit_group", "futex", "futex_time64", "get_robust_list", "getcpu",
	"gettid", "membarrier", "restart_syscall", "rseq", "rt_sigaction", "rt_sigprocmask",
	"rt_sigreturn", "sched_getaffinity", "sched_setaffinity", "sched_yield", "set_robust_list",
	"sigaltstack", "sigreturn", "wait4",
	/* who we are */
	"getegid", "getegid32", "geteuid", "geteuid32", "getgid", "getgid32", "getpid", "getppid",
	"getuid", "getuid32", "getrandom", "sysinfo", "uname",
	/* descriptors */
	"close", "eventfd2", "fcntl", "fcntl64", "fstat", "fstat64", "getdents64", "lseek",
	"_llseek", "pread64", "preadv", "pwrite64", "read", "readv", "write", "writev",
	/* waiting for them */
	"pipe2", "epoll_create", "epoll_create1", "epoll_ctl", "epoll_pwait", "epoll_pwait2",
	"epoll_wait", "poll", "ppoll", "ppoll_time64", "pselect6", "pselect6_time64", "select",
	"_newselect",
	/* paths, without changing anything */
	"access", "faccessat", "faccessat2", "fstatat64", "getcwd", "lstat", "lstat64",
	"newfstatat", "readlink", "readlinkat", "stat", "stat64", "statx", "inotify_add_watch",
	"inotify_init1", "inotify_rm_watch",
	/* sockets */
	"accept", "accept4", "bind", "connect", "getpeername", "getsockname", "getsockopt",
	"listen", "recvfrom", "recvmmsg", "recvmmsg_time64", "recvmsg", "sendmmsg", "sendmsg",
	"sendto", "setsockopt", "shutdown", NULL};

const char *const confine_helper_calls[] = {
	/* programs */
	"arch_prctl", "execve", "execveat", "fork", "get_thread_area", "getpgid", "getpgrp",
	"getpriority", "getrlimit", "getrusage", "getsid", "kill", "pidfd_open",
	"pidfd_send_signal", "prctl", "prlimit64", "sched_getparam", "sched_getscheduler",
	"set_thread_area", "set_tid_address", "setpgid", "setpriority", "setrlimit", "setsid",
	"set_tls", "cacheflush", "tgkill", "times", "tkill", "ugetrlimit", "umask", "vfork",
	"waitid", "waitpid",
	/* their signals and clocks */
	"alarm", "getitimer", "pause", "rt_sigpending", "rt_sigsuspend", "rt_sigtimedwait",
	"rt_sigtimedwait_time64", "setitimer", "timer_create", "timer_delete", "timer_settime",
	"timer_settime64",
	/* their rights, which they can only lessen */
	"capget", "capset", "getgroups", "getgroups32", "getresgid", "getresgid32", "getresuid",
	"getresuid32",
	/* descriptors */
	"close_range", "copy_file_range", "dup", "dup2", "dup3", "fadvise64", "fallocate",
	"fdatasync", "flock", "fsync", "ftruncate", "ftruncate64", "ioctl", "pipe", "sendfile",
	"sendfile64", "socketpair", "splice", "tee",
	/* code, and files */
	"mmap", "mmap2", "mprotect", "chdir", "chmod", "chown", "chown32", "creat", "fchdir",
	"fchmod", "fchmodat", "fchmodat2", "fchown", "fchown32", "fchownat", "fgetxattr", "fstatfs",
	"fstatfs64", "getdents", "getxattr", "lchown", "lchown32", "lgetxattr", "link", "linkat",
	"listxattr", "llistxattr", "mkdir", "mkdirat", "mknod", "mknodat", "msync", "open",
	"openat", "openat2", "rename", "renameat", "renameat2", "rmdir", "statfs", "statfs64",
	"symlink", "symlinkat", "truncate", "truncate64", "unlink", "unlinkat", "utime",
	"utimensat", "utimensat_time64", "utimes", NULL};

/* Reports and profiles are files; LeakSanitizer looks at its own threads from a process of its own,
 * and symbols are looked up by a program. So these builds may do what the helper may, and more. */
const char *const confine_instrumented_calls[] = {
	"clone", "mincore", "mlock", "munlock", "personality", "process_vm_readv", "ptrace", NULL};

#define INT UINT64_C(0xffffffff)
#define IS(argument, value)                                                                        \
	{                                                                                          \
		argument, INT, value                                                               \
	}
#define HAS(argument, bits)                                                                        \
	{                                                                                          \
		argument, bits, bits                                                               \
	}
#define LACKS(argument, bits)                                                                      \
	{                                                                                          \
		argument, bits, 0                                                                  \
	}
/* The type of a socket without its flags (include/linux/net.h, SOCK_TYPE_MASK). */
#define TYPE_IS(type)                                                                              \
	{                                                                                          \
		1, 0xf, type                                                                       \
	}

const struct confine_call confine_shared_checked[] = {
	{"socket", 2, {IS(0, AF_UNIX), TYPE_IS(SOCK_DGRAM)}},
	{"socket", 2, {IS(0, AF_INET), TYPE_IS(SOCK_DGRAM)}},
	{"socket", 2, {IS(0, AF_INET), TYPE_IS(SOCK_STREAM)}},
	{"socket", 2, {IS(0, AF_INET6), TYPE_IS(SOCK_DGRAM)}},
	{"socket", 2, {IS(0, AF_INET6), TYPE_IS(SOCK_STREAM)}},
	{"socket", 2, {IS(0, AF_NETLINK), TYPE_IS(SOCK_RAW)}},
	{"socket", 2, {IS(0, AF_NETLINK), TYPE_IS(SOCK_DGRAM)}},
	{NULL, 0, {{0}}}};

#define FOR_WRITING (O_ACCMODE | O_CREAT | O_TRUNC)
#define OF_A_THREAD (CLONE_VM | CLONE_SIGHAND | CLONE_THREAD)

const struct confine_call confine_daemon_checked[] = {
	{"open", 1, {LACKS(1, FOR_WRITING)}},
	{"openat", 1, {LACKS(2, FOR_WRITING)}},
	/* Nothing becomes code. */
	{"mmap", 1, {LACKS(2, PROT_EXEC)}},
	{"mmap2", 1, {LACKS(2, PROT_EXEC)}},
	{"mprotect", 1, {LACKS(2, PROT_EXEC)}},
	/* Workers. */
	{"clone", 1, {HAS(0, OF_A_THREAD)}},
	/* Names of interfaces; how much there is to read; whether stdout is a terminal. */
	{"ioctl", 1, {IS(1, SIOCGIFINDEX)}},
	{"ioctl", 1, {IS(1, SIOCGIFNAME)}},
	{"ioctl", 1, {IS(1, FIONREAD)}},
	{"ioctl", 1, {IS(1, TCGETS)}},
	/* Attaches the program at the ingress that is loaded, also in the place of a former
	 * daemon's, and asks whether it is there. */
	{"bpf", 1, {IS(0, BPF_LINK_CREATE)}},
	{"bpf", 1, {IS(0, BPF_LINK_UPDATE)}},
	{"bpf", 1, {IS(0, BPF_OBJ_GET_INFO_BY_FD)}},
	/* Threads have names. */
	{"prctl", 1, {IS(0, PR_SET_NAME)}},
	/* Limits are read. */
	{"prlimit64", 1, {{2, UINT64_MAX, 0}}},
	{NULL, 0, {{0}}}};

/* No namespaces of their own: in a user namespace they would have every right again. */
#define NEW_NAMESPACES                                                                             \
	(CLONE_NEWCGROUP | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID |              \
	 CLONE_NEWUSER | CLONE_NEWUTS)

const struct confine_call confine_helper_checked[] = {
	{"clone", 1, {LACKS(0, NEW_NAMESPACES)}},
	{"socket", 2, {IS(0, AF_UNIX), TYPE_IS(SOCK_STREAM)}},
	{NULL, 0, {{0}}}};
