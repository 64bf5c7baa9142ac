/* SPDX-License-Identifier: MIT */
/* Where the program at the ingress is put, by links and by clsact qdiscs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "netmon_namespace.h"

#include "control/ingress.h"

#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static int program_fd = -1;

/* A program that has nothing to say of a packet (TC_ACT_UNSPEC). */
static int load_program(void **state)
{
	const struct bpf_insn lines[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = -1},
		{.code = BPF_JMP | BPF_EXIT},
	};

	(void)state;
	program_fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "nothing", "MIT", lines, 2, NULL);
	return program_fd < 0 ? -1 : 0;
}

static struct ingress *start(void)
{
	struct ingress *ingress = ingress_create(program_fd);

	assert_non_null(ingress);
	return ingress;
}

/* tc lists filters, and knows nothing of links. */
static void assert_filter(const char *interface, bool expected)
{
	char command[128];

	snprintf(command, sizeof(command),
		 "tc filter show dev %s ingress 2>&1 | grep -q 'pref %u bpf.*handle 0x[%u%u]'",
		 interface, INGRESS_PRIORITY, INGRESS_HANDLE, INGRESS_HANDLE_WITH_QDISC);
	assert_int_equal(system(command) == 0, expected);
}

static void assert_qdisc(const char *interface, bool expected)
{
	char command[128];

	snprintf(command, sizeof(command), "tc qdisc show dev %s | grep -q clsact", interface);
	assert_int_equal(system(command) == 0, expected);
}

static void links_need_no_qdisc(void **state)
{
	struct ingress *ingress = start();

	(void)state;
	assert_int_equal(ingress_follow(ingress, INGRESS_LINKS_ONLY), 2);
	assert_int_equal(ingress_follow(ingress, INGRESS_ANY), 2);
	assert_qdisc("v0", false);
	ingress_free(ingress);
}

static void interfaces_come_and_go(void **state)
{
	struct ingress *ingress = start();

	(void)state;
	run("ip link add v2 type veth peer name v3");
	assert_int_equal(ingress_follow(ingress, INGRESS_LINKS_ONLY), 4);
	run("ip link del v2");
	assert_int_equal(ingress_follow(ingress, INGRESS_LINKS_ONLY), 2);
	run("ip link add v2 type veth peer name v3");
	assert_int_equal(ingress_follow(ingress, INGRESS_LINKS_ONLY), 4);
	ingress_free(ingress);
}

static void only_where_packets_arrive_as_expected(void **state)
{
	struct ingress *ingress = start();

	(void)state;
	run("ip link add br0 type bridge && ip link set v1 master br0");
	run("ip tuntap add t0 mode tun");
	assert_int_equal(ingress_follow(ingress, INGRESS_ANY), 1);
	run("ip link set v1 nomaster");
	assert_int_equal(ingress_follow(ingress, INGRESS_ANY), 2);
	run("ip link set v1 master br0");
	assert_int_equal(ingress_follow(ingress, INGRESS_ANY), 1);
	ingress_free(ingress);
}

/* ---- As on a kernel before 6.6 ---- */

/* From here on bpf(2) makes no link: EINVAL, for good. */
static int forbid_links(void **state)
{
	struct sock_filter lines[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_bpf, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, BPF_LINK_CREATE, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog filter = {.len = 6, .filter = lines};

	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) < 0)
		return -1;
	return enter_fresh_namespace(state);
}

static void without_links_there_is_a_qdisc_or_nothing(void **state)
{
	struct ingress *ingress = start();

	(void)state;
	assert_int_equal(ingress_follow(ingress, INGRESS_LINKS_ONLY), 0);
	assert_qdisc("v0", false);
	assert_int_equal(ingress_follow(ingress, INGRESS_ANY), 2);
	assert_filter("v0", true);
	assert_filter("v1", true);
	/* What is there stays. */
	assert_int_equal(ingress_follow(ingress, INGRESS_LINKS_ONLY), 2);
	ingress_free(ingress);
	assert_qdisc("v0", false);
	assert_qdisc("v1", false);
}

static void a_qdisc_of_others_stays(void **state)
{
	struct ingress *ingress = start();

	(void)state;
	run("tc qdisc add dev v0 clsact");
	assert_int_equal(ingress_follow(ingress, INGRESS_ANY), 2);
	ingress_free(ingress);
	assert_qdisc("v0", true);
	assert_filter("v0", false);
	assert_qdisc("v1", false);
}

static void what_others_have_put_into_ours_stays(void **state)
{
	static const char *const sides[] = {"ingress", "egress"};
	char command[128];

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct ingress *ingress = start();

		assert_int_equal(ingress_follow(ingress, INGRESS_ANY), 2);
		snprintf(command, sizeof(command),
			 "tc filter add dev v0 %s prio 10 protocol all u32 match u32 0 0",
			 sides[i]);
		run(command);
		ingress_free(ingress);
		assert_qdisc("v0", true);
		assert_filter("v0", false);
		assert_qdisc("v1", false);
		run("tc qdisc del dev v0 clsact");
	}
}

/* One after the other, while a link of the former's is held by somebody else, as at a handover. */
static void note_link(void *context, int interface, int link_fd)
{
	int *held = context;

	held[0] = interface;
	held[1] = dup(link_fd);
}

static unsigned program_of_link(int link_fd)
{
	struct bpf_link_info info = {0};
	uint32_t bytes = sizeof(info);

	assert_int_equal(bpf_obj_get_info_by_fd(link_fd, &info, &bytes), 0);
	return info.prog_id;
}

static void a_link_is_taken_over(void **state)
{
	struct ingress *former = start(), *ingress;
	int held[2] = {0}, first = program_fd;
	unsigned before;

	assert_int_equal(ingress_follow(former, INGRESS_LINKS_ONLY), 2);
	assert_int_equal(ingress_links(former, note_link, held), 2);
	ingress_leave(former);
	before = program_of_link(held[1]);

	assert_int_equal(load_program(state), 0);
	ingress = start();
	ingress_succeed(ingress);
	assert_true(ingress_inherit(ingress, held[0], dup(held[1])));
	assert_int_equal(ingress_follow(ingress, INGRESS_LINKS_ONLY), 2);
	assert_int_not_equal(program_of_link(held[1]), before);
	ingress_free(ingress);
	close(held[1]);
	close(first);
}

static void a_filter_that_was_left_gives_way(void **state)
{
	struct ingress *former = start(), *ingress = start();

	(void)state;
	assert_int_equal(ingress_follow(former, INGRESS_ANY), 2);
	ingress_leave(former);
	assert_filter("v0", true);
	/* Others would do without. */
	ingress_succeed(ingress);
	assert_int_equal(ingress_follow(ingress, INGRESS_LINKS_ONLY), 2);
	run("test $(tc filter show dev v0 ingress | grep -c direct-action) = 1");
	ingress_free(ingress);
	assert_qdisc("v0", false);
}

static void what_was_left_is_cleared(void **state)
{
	struct ingress *former = start();

	(void)state;
	assert_int_equal(ingress_follow(former, INGRESS_ANY), 2);
	run("tc qdisc add dev lo clsact");
	ingress_leave(former);
	ingress_clear();
	assert_qdisc("v0", false);
	assert_qdisc("v1", false);
	assert_qdisc("lo", true);
}

/* A daemon that was killed: the next one has one filter, and takes the qdisc with it. */
static void what_was_left_behind_is_taken_over(void **state)
{
	struct ingress *dead = start(), *ingress = start();

	(void)state;
	assert_int_equal(ingress_follow(dead, INGRESS_ANY), 2);
	assert_int_equal(ingress_follow(ingress, INGRESS_ANY), 2);
	run("test $(tc filter show dev v0 ingress | grep -c direct-action) = 1");
	ingress_free(ingress);
	assert_qdisc("v0", false);
	ingress_free(dead);
}

static void what_somebody_takes_away_is_put_back(void **state)
{
	struct ingress *ingress = start();

	(void)state;
	assert_int_equal(ingress_follow(ingress, INGRESS_ANY), 2);
	run("tc qdisc del dev v0 clsact");
	assert_int_equal(ingress_follow(ingress, INGRESS_ANY), 2);
	assert_filter("v0", true);
	ingress_free(ingress);
	assert_qdisc("v0", false);
}

int main(void)
{
	/* The filter of forbid_links stays: what needs links comes before. */
	const struct CMUnitTest tests[] = {
		in_namespace(links_need_no_qdisc),
		in_namespace(interfaces_come_and_go),
		in_namespace(only_where_packets_arrive_as_expected),
		in_namespace(a_link_is_taken_over),
		cmocka_unit_test_setup(without_links_there_is_a_qdisc_or_nothing, forbid_links),
		in_namespace(a_qdisc_of_others_stays),
		in_namespace(what_others_have_put_into_ours_stays),
		in_namespace(what_was_left_behind_is_taken_over),
		in_namespace(what_somebody_takes_away_is_put_back),
		in_namespace(a_filter_that_was_left_gives_way),
		in_namespace(what_was_left_is_cleared),
	};

	if (!can_enter_namespaces("test_ingress"))
		return 0;
	return cmocka_run_group_tests(tests, load_program, NULL);
}
