/* SPDX-License-Identifier: MIT */
/* What a process can still do once it is confined: each case is a process of its own. */
#include "control/confine.h"
#include "control/confine_calls.h"
#include "control/confine_files.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/landlock.h>
#include <linux/sched.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <seccomp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* A case: what to try. Returns 0, or the errno that it met. */
struct attempt {
	const char *what;
	int (*try)(void);
	int expected;
};

static int result_of(long result)
{
	return result < 0 ? errno : 0;
}

static int try_exec(void)
{
	return result_of(execl("/bin/true", "true", NULL));
}

static int try_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return result_of(pid);
}

/* As a process, without the libc's way round. */
static int try_clone3(void)
{
	struct clone_args arguments = {.exit_signal = SIGCHLD};
	long pid = syscall(SYS_clone3, &arguments, sizeof(arguments));

	if (pid == 0)
		_exit(0);
	return result_of(pid);
}

static int try_write_a_file(void)
{
	return result_of(open("/dev/null", O_WRONLY | O_CLOEXEC));
}

static int try_make_a_file(void)
{
	return result_of(open("/tmp/confine.made", O_RDONLY | O_CREAT | O_CLOEXEC, 0600));
}

static int try_empty_a_file(void)
{
	return result_of(open("/dev/null", O_RDONLY | O_TRUNC | O_CLOEXEC));
}

static int try_remove_a_file(void)
{
	return result_of(unlink("/tmp/confine.missing"));
}

static int try_chmod(void)
{
	return result_of(chmod("/tmp/confine.missing", 0777));
}

static int try_packet_socket(void)
{
	return result_of(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
}

static int try_raw_socket(void)
{
	return result_of(socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_UDP));
}

static int try_local_stream(void)
{
	return result_of(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

static int try_code(void)
{
	void *code = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return code == MAP_FAILED ? errno : 0;
}

static int try_data_to_code(void)
{
	void *data = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return data == MAP_FAILED ? EFAULT : result_of(mprotect(data, 4096, PROT_EXEC));
}

static int try_program(void)
{
	union bpf_attr attributes = {.prog_type = BPF_PROG_TYPE_SOCKET_FILTER};

	return result_of(syscall(SYS_bpf, BPF_PROG_LOAD, &attributes, sizeof(attributes)));
}

static int try_kill(void)
{
	return result_of(kill(getppid(), 0));
}

static int try_thread_kill_of_others(void)
{
	return result_of(syscall(SYS_tgkill, getppid(), getppid(), 0));
}

static int try_trace(void)
{
	return result_of(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

static int try_mount(void)
{
	return result_of(mount("none", "/tmp/confine.missing", "tmpfs", 0, NULL));
}

static int try_namespace(void)
{
	return result_of(unshare(CLONE_NEWUSER));
}

static int try_clone_into_namespace(void)
{
	long pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL);

	if (pid == 0)
		_exit(0);
	return result_of(pid);
}

static int try_limit(void)
{
	struct rlimit limit = {.rlim_cur = 64, .rlim_max = 64};

	return result_of(syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, &limit, NULL));
}

static int try_terminal_input(void)
{
	return result_of(ioctl(STDIN_FILENO, TIOCSTI, ""));
}

/* ---- What has to go on ---- */

static void *thread_main(void *context)
{
	return context;
}

static int try_thread(void)
{
	pthread_t thread;
	int error = pthread_create(&thread, NULL, thread_main, NULL);

	return error ? error : pthread_join(thread, NULL);
}

static int try_read_a_file(void)
{
	FILE *file = fopen("/proc/sys/net/ipv4/ip_forward", "re");
	char line[16];

	if (!file)
		return errno;
	if (!fgets(line, sizeof(line), file))
		return EIO;
	return fclose(file) == 0 ? 0 : errno;
}

static int try_sockets(void)
{
	static const struct {
		int family, type;
	} kinds[] = {{AF_INET, SOCK_STREAM}, {AF_INET, SOCK_DGRAM},  {AF_INET6, SOCK_STREAM},
		     {AF_UNIX, SOCK_DGRAM},  {AF_NETLINK, SOCK_RAW}, {AF_INET6, SOCK_DGRAM}};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		int fd = socket(kinds[i].family, kinds[i].type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

		if (fd < 0)
			return errno;
		close(fd);
	}
	return if_nametoindex("lo") == 0 ? errno : 0;
}

static int try_memory(void)
{
	size_t size = 64u << 20;
	char *block = malloc(size);

	if (!block)
		return ENOMEM;
	memset(block, 1, size);
	block = realloc(block, size * 2);
	free(block);
	return block ? 0 : ENOMEM;
}

static int try_text_as_file(void)
{
	int fd = memfd_create("text", MFD_CLOEXEC);

	return fd < 0 ? errno : write(fd, "text", 4) == 4 ? 0 : EIO;
}

/* Runs a case in a process of its own, confined by `confine`. Returns what it met; 1000 and the
 * number of a signal when one ended it. */
static int meet(int (*confine)(void), int (*try)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(confine() == 0 ? try() : 255);
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static int as_daemon(void)
{
	char why[CONFINE_ERROR_BYTES];

	return confine_apply(CONFINE_DAEMON, why);
}

static int as_helper(void)
{
	char why[CONFINE_ERROR_BYTES];

	return confine_apply(CONFINE_HELPER, why);
}

static void check(int (*confine)(void), const struct attempt *attempts, size_t count)
{
	unsigned wrong = 0;

	for (size_t i = 0; i < count; i++) {
		int met = meet(confine, attempts[i].try);

		if (met == attempts[i].expected)
			continue;
		print_error("%s: %d instead of %d\n", attempts[i].what, met, attempts[i].expected);
		wrong++;
	}
	assert_int_equal(wrong, 0);
}

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct attempt needs[] = {
	{"a thread", try_thread, 0},	 {"reading a file", try_read_a_file, 0},
	{"sockets", try_sockets, 0},	 {"memory", try_memory, 0},
	{"a text", try_text_as_file, 0},
};

static void the_daemon_can_do_its_work(void **state)
{
	(void)state;
	check(as_daemon, needs, COUNT(needs));
}

static void the_daemon_can_do_nothing_else(void **state)
{
	static const struct attempt attempts[] = {
		{"exec", try_exec, EPERM},
		{"fork", try_fork, EPERM},
		{"clone3", try_clone3, ENOSYS},
		{"opening to write", try_write_a_file, EPERM},
		{"opening to create", try_make_a_file, EPERM},
		{"opening to truncate", try_empty_a_file, EPERM},
		{"unlink", try_remove_a_file, EPERM},
		{"chmod", try_chmod, EPERM},
		{"a packet socket", try_packet_socket, EPERM},
		{"a raw socket", try_raw_socket, EPERM},
		{"a local stream", try_local_stream, EPERM},
		{"mmap of code", try_code, EPERM},
		{"mprotect to code", try_data_to_code, EPERM},
		{"loading a program", try_program, EPERM},
		{"kill", try_kill, EPERM},
		{"tgkill of others", try_thread_kill_of_others, EPERM},
		{"ptrace", try_trace, EPERM},
		{"mount", try_mount, EPERM},
		{"unshare", try_namespace, EPERM},
		{"a namespace", try_clone_into_namespace, EPERM},
		{"setting a limit", try_limit, EPERM},
		{"typing for others", try_terminal_input, EPERM},
	};

	(void)state;
	if (CONFINE_IS_INSTRUMENTED) {
		print_message("skipped: builds with sanitizers have a wider list\n");
		skip();
	}
	check(as_daemon, attempts, COUNT(attempts));
}

static void the_helper_can_run_programs_and_little_else(void **state)
{
	static const struct attempt attempts[] = {
		{"exec", try_exec, 0},
		{"fork", try_fork, 0},
		{"clone3", try_clone3, ENOSYS},
		{"opening to write", try_write_a_file, 0},
		{"loading a program", try_program, EPERM},
		{"a packet socket", try_packet_socket, EPERM},
		{"mount", try_mount, EPERM},
		{"unshare", try_namespace, EPERM},
	};

	(void)state;
	check(as_helper, needs, COUNT(needs));
	check(as_helper, attempts, COUNT(attempts));
	if (!CONFINE_IS_INSTRUMENTED) {
		assert_int_equal(meet(as_helper, try_trace), EPERM);
		assert_int_equal(meet(as_helper, try_clone_into_namespace), EPERM);
	}
}

static int without_files(void)
{
	return confine_files();
}

static void no_file_can_be_changed_whatever_the_call(void **state)
{
	static const struct attempt attempts[] = {
		{"opening to write", try_write_a_file, EACCES},
		{"opening to create", try_make_a_file, EACCES},
		{"exec", try_exec, EACCES},
		{"reading a file", try_read_a_file, 0},
		{"a text", try_text_as_file, 0},
	};

	(void)state;
	if (syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) < 1) {
		print_message("skipped: this kernel has no landlock\n");
		skip();
	}
	check(without_files, attempts, COUNT(attempts));
}

static int as_daemon_or_die(void)
{
	setenv("TRAFFICDUPLICATOR_CONFINE", "kill", 1);
	return as_daemon();
}

static int as_daemon_without_bounds(void)
{
	setenv("TRAFFICDUPLICATOR_CONFINE", "off", 1);
	return as_daemon();
}

static int as_daemon_misunderstood(void)
{
	setenv("TRAFFICDUPLICATOR_CONFINE", "of", 1);
	return as_daemon();
}

static void the_environment_chooses(void **state)
{
	(void)state;
	assert_int_equal(meet(as_daemon_or_die, try_read_a_file), 0);
	assert_int_equal(meet(as_daemon_or_die, try_mount), 1000 + SIGSYS);
	assert_int_equal(meet(as_daemon_without_bounds, try_exec), 0);
	assert_int_equal(meet(as_daemon_misunderstood, try_exec), 255);
}

static void check_names(const char *const *names)
{
	for (; *names; names++)
		if (seccomp_syscall_resolve_name(*names) == __NR_SCMP_ERROR)
			fail_msg("%s is no system call of any architecture", *names);
}

static void every_name_is_a_call_somewhere(void **state)
{
	(void)state;
	check_names(confine_shared_calls);
	check_names(confine_instrumented_calls);
	for (const char *const *name = confine_helper_calls; *name; name++)
		if (strcmp(*name, "fchmodat2") != 0 && /* newer than some libseccomp */
		    seccomp_syscall_resolve_name(*name) == __NR_SCMP_ERROR)
			fail_msg("%s is no system call of any architecture", *name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_daemon_can_do_its_work),
		cmocka_unit_test(the_daemon_can_do_nothing_else),
		cmocka_unit_test(the_helper_can_run_programs_and_little_else),
		cmocka_unit_test(no_file_can_be_changed_whatever_the_call),
		cmocka_unit_test(the_environment_chooses),
		cmocka_unit_test(every_name_is_a_call_somewhere),
	};

	unsetenv("TRAFFICDUPLICATOR_CONFINE");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
