/* SPDX-License-Identifier: MIT */
/* One marked message per destination, sent as copies are, with a client's address. */
#include "control/doctor.h"
#include "core/checksum.h"
#include "core/reason.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CLIENT_PORT 514
#define TTL 64
/* How long an ICMP error may take to come back. Hosts send one a second to each peer at least
 * (ip-sysctl.rst, icmp_ratelimit), and copies under way use these up too. */
#define REFUSAL_MS 1500
#define MESSAGE_SIZE 512

/* An ICMP error about a message. */
struct refusal {
	bool seen;
	uint8_t code;		/* of destination-unreachable, in the family's own numbers */
	struct ip_address from; /* who says so */
};

struct test {
	const struct doctor *doctor;
	struct doctor_report *report;
	char token[32];
	struct refusal *refusals; /* per target */
	bool *sent;
};

static void make_token(char token[static 32])
{
	uint64_t number;

	if (getrandom(&number, sizeof(number), 0) != sizeof(number))
		number = (uint64_t)time(NULL);
	snprintf(token, 32, "td-%016llx", (unsigned long long)number);
}

/* A syslog message (RFC 5424) of priority user.notice. Returns its length. */
static size_t write_message(const struct test *test, char message[static MESSAGE_SIZE])
{
	char when[32], host[65] = "-", client[IP_TEXT_SIZE];
	const time_t now = time(NULL);
	struct tm utc;

	gmtime_r(&now, &utc);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &utc);
	gethostname(host, sizeof(host) - 1);
	return (size_t)snprintf(message, MESSAGE_SIZE,
				"<13>1 %s %s trafficduplicator %d doctor - test message of "
				"trafficduplicator doctor, sent as client %s: %s",
				when, host, (int)getpid(),
				ip_format(test->doctor->options.send_test_client, client),
				test->token);
}

/* The UDP checksum over pseudo header (RFC 768, RFC 8200 8.1) and datagram. */
static uint16_t udp_checksum(const struct ip_address *from, const struct ip_address *to,
			     const void *datagram, size_t length)
{
	const size_t address_bytes = ip_length_bytes(from->family);
	const uint16_t words_be[] = {htons(IPPROTO_UDP), htons((uint16_t)length)};
	uint16_t checksum_be = (uint16_t)~checksum_fold(
		checksum_sum(from->bytes, address_bytes) + checksum_sum(to->bytes, address_bytes) +
		checksum_sum(words_be, sizeof(words_be)) + checksum_sum(datagram, length));

	return checksum_be ? checksum_be : 0xffff;
}

/* Writes IP and UDP headers in front of the payload. Returns the packet's length. */
static size_t write_packet(const struct ip_address *from, const struct doctor_target *target,
			   const char *payload, size_t payload_bytes, uint8_t *packet)
{
	const size_t ip_bytes =
		from->family == AF_INET ? sizeof(struct ip) : sizeof(struct ip6_hdr);
	const size_t udp_bytes = sizeof(struct udphdr) + payload_bytes;
	struct udphdr udp = {
		.source = htons(CLIENT_PORT),
		.dest = htons(target->port),
		.len = htons((uint16_t)udp_bytes),
	};

	memcpy(packet + ip_bytes, &udp, sizeof(udp));
	memcpy(packet + ip_bytes + sizeof(udp), payload, payload_bytes);
	udp.check = udp_checksum(from, &target->address, packet + ip_bytes, udp_bytes);
	memcpy(packet + ip_bytes, &udp, sizeof(udp));
	if (from->family == AF_INET) {
		struct ip ip = {.ip_hl = 5, .ip_v = 4, .ip_ttl = TTL, .ip_p = IPPROTO_UDP};

		ip.ip_len = htons((uint16_t)(ip_bytes + udp_bytes));
		memcpy(&ip.ip_src, from->bytes, 4);
		memcpy(&ip.ip_dst, target->address.bytes, 4);
		memcpy(packet, &ip, sizeof(ip)); /* the kernel fills in ID and checksum: raw(7) */
	} else {
		struct ip6_hdr ip6 = {.ip6_flow = htonl(UINT32_C(6) << 28)};

		ip6.ip6_plen = htons((uint16_t)udp_bytes);
		ip6.ip6_nxt = IPPROTO_UDP;
		ip6.ip6_hlim = TTL;
		memcpy(&ip6.ip6_src, from->bytes, 16);
		memcpy(&ip6.ip6_dst, target->address.bytes, 16);
		memcpy(packet, &ip6, sizeof(ip6));
	}
	return ip_bytes + udp_bytes;
}

/* What copies to this destination are sent from when the client is this one. */
static struct ip_address source_for(const struct test *test, const struct doctor_target *target)
{
	switch (target->destination->source) {
	case SOURCE_FIXED:
		return target->destination->source_address;
	case SOURCE_APPLIANCE:
		return target->route.source;
	default:
		return *test->doctor->options.send_test_client;
	}
}

/* Sends as the daemon does: a raw socket, with the copies' mark. Returns 0 or -errno. */
static int send_packet(const struct test *test, const struct doctor_target *target,
		       const uint8_t *packet, size_t length)
{
	const uint32_t mark = test->doctor->config->settings.mark;
	struct sockaddr_in to4 = {.sin_family = AF_INET};
	struct sockaddr_in6 to6 = {.sin6_family = AF_INET6};
	const bool is_ipv4 = target->address.family == AF_INET;
	const int on = 1;
	int fd, result = 0;

	fd = socket(is_ipv4 ? AF_INET : AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	if (fd < 0)
		return -errno;
	memcpy(&to4.sin_addr, target->address.bytes, 4);
	memcpy(&to6.sin6_addr, target->address.bytes, 16);
	if (setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) < 0 ||
	    setsockopt(fd, is_ipv4 ? SOL_IP : SOL_IPV6, is_ipv4 ? IP_RECVERR : IPV6_RECVERR, &on,
		       sizeof(on)) < 0 ||
	    sendto(fd, packet, length, 0,
		   is_ipv4 ? (struct sockaddr *)&to4 : (struct sockaddr *)&to6,
		   is_ipv4 ? sizeof(to4) : sizeof(to6)) < 0)
		result = -errno;
	close(fd);
	return result;
}

static void say_failed(const struct test *test, const struct doctor_target *target, int error)
{
	struct doctor_finding *finding = doctor_report_add(
		test->report, DOCTOR_PROBLEM, "send_test_failed", target->name,
		"%s: the test message could not be sent: %s", target->name, strerror(-error));

	doctor_meaning(finding, "Copies to it are dropped as %s.",
		       reason_name(reason_from_errno(-error)));
	doctor_mend(finding, "trafficduplicator doctor # what it says of this destination above");
}

/* Whether one was sent there already from the same address. */
static bool has_message(const struct test *test, size_t index)
{
	const struct doctor_target *target = &test->doctor->targets[index];
	const struct ip_address from = source_for(test, target);

	for (size_t i = 0; target->is_twin && i < index; i++) {
		const struct doctor_target *other = &test->doctor->targets[i];
		const struct ip_address other_from = source_for(test, other);

		if (doctor_targets_same_place(other, target) && ip_equal(&other_from, &from))
			return true;
	}
	return false;
}

static void send_to(struct test *test, size_t index)
{
	const struct doctor_target *target = &test->doctor->targets[index];
	const struct ip_address from = source_for(test, target);
	char message[MESSAGE_SIZE];
	uint8_t packet[MESSAGE_SIZE + sizeof(struct ip6_hdr) + sizeof(struct udphdr)];
	size_t length;
	int error;

	if (target->address.family == AF_UNSPEC)
		return;
	if (target->address.family != test->doctor->options.send_test_client->family ||
	    from.family != target->address.family) {
		doctor_report_add(
			test->report, DOCTOR_WARNING, "send_test_family", target->name,
			"%s: no test message, since the client's address is of the other family",
			target->name);
		return;
	}
	length = write_packet(&from, target, message, write_message(test, message), packet);
	error = send_packet(test, target, packet, length);
	test->sent[index] = error == 0;
	if (error < 0)
		say_failed(test, target, error);
}

/* Marks the targets that an ICMP error's quoted packet went to: RFC 792, RFC 4443 3.1. A copy that
 * is on its way to them is refused as well as the message. */
static void note_quoted(struct test *test, const uint8_t *quoted, size_t length,
			const struct refusal *refusal)
{
	const uint8_t family = refusal->from.family;
	const size_t ip_bytes =
		family == AF_INET ? (size_t)(quoted[0] & 0xf) * 4 : sizeof(struct ip6_hdr);
	const size_t to_offset = family == AF_INET ? 16 : 24;
	struct udphdr udp;

	if (length < sizeof(struct ip) || length < ip_bytes + sizeof(udp) ||
	    quoted[family == AF_INET ? 9 : 6] != IPPROTO_UDP)
		return;
	memcpy(&udp, quoted + ip_bytes, sizeof(udp));
	for (size_t i = 0; i < test->doctor->target_count; i++) {
		const struct doctor_target *target = &test->doctor->targets[i];

		if (target->address.family == family && test->sent[i] &&
		    memcmp(quoted + to_offset, target->address.bytes, ip_length_bytes(family)) ==
			    0 &&
		    udp.dest == htons(target->port))
			test->refusals[i] = *refusal;
	}
}

/* That a packet is too large is another matter (RFC 1191). */
static void read_icmp(struct test *test, const uint8_t *packet, size_t length)
{
	const size_t ip4_bytes = (size_t)(packet[0] & 0xf) * 4;
	struct refusal refusal = {.seen = true};

	if (packet[0] >> 4 == 4 && length > ip4_bytes + 8 && packet[9] == IPPROTO_ICMP &&
	    packet[ip4_bytes] == ICMP_UNREACH && packet[ip4_bytes + 1] != ICMP_UNREACH_NEEDFRAG) {
		refusal.code = packet[ip4_bytes + 1];
		refusal.from.family = AF_INET;
		memcpy(refusal.from.bytes, packet + 12, 4);
		note_quoted(test, packet + ip4_bytes + 8, length - ip4_bytes - 8, &refusal);
	}
	if (packet[0] >> 4 == 6 && length > 48 && packet[6] == IPPROTO_ICMPV6 &&
	    packet[40] == ICMP6_DST_UNREACH) {
		refusal.code = packet[41];
		refusal.from.family = AF_INET6;
		memcpy(refusal.from.bytes, packet + 8, 16);
		note_quoted(test, packet + 48, length - 48, &refusal);
	}
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void listen_for_refusals(struct test *test, int fd)
{
	const int64_t end_ms = now_ms() + REFUSAL_MS;
	struct pollfd readable = {.fd = fd, .events = POLLIN};
	uint8_t packet[2048];

	for (int64_t left_ms = REFUSAL_MS; left_ms > 0; left_ms = end_ms - now_ms()) {
		ssize_t length;

		if (poll(&readable, 1, (int)left_ms) <= 0)
			continue;
		length = recv(fd, packet, sizeof(packet), MSG_DONTWAIT);
		if (length > (ssize_t)sizeof(struct ip))
			read_icmp(test, packet, (size_t)length);
	}
}

/* What a code of destination-unreachable says (RFC 792, RFC 1122 3.2.2.1, RFC 1812 5.2.7.1; RFC
 * 4443 3.1). */
static const char *code_meaning(uint8_t family, uint8_t code)
{
	static const char *const ipv4[] = {
		[ICMP_UNREACH_NET] = "it has no route to the network",
		[ICMP_UNREACH_HOST] = "the host does not answer there",
		[ICMP_UNREACH_PROTOCOL] = "the host does not take UDP",
		[ICMP_UNREACH_PORT] = "nobody listens on the port",
		[ICMP_UNREACH_SRCFAIL] = "a source route failed",
		[ICMP_UNREACH_NET_UNKNOWN] = "the network is not known",
		[ICMP_UNREACH_HOST_UNKNOWN] = "the host is not known",
		[ICMP_UNREACH_ISOLATED] = "the client is isolated",
		[ICMP_UNREACH_NET_PROHIB] = "a firewall prohibits the network",
		[ICMP_UNREACH_HOST_PROHIB] = "a firewall prohibits the host",
		[ICMP_UNREACH_TOSNET] = "it has no route to the network for this type of service",
		[ICMP_UNREACH_TOSHOST] = "it has no route to the host for this type of service",
		[ICMP_UNREACH_FILTER_PROHIB] = "a firewall prohibits it",
		[ICMP_UNREACH_HOST_PRECEDENCE] = "its precedence is not permitted",
		[ICMP_UNREACH_PRECEDENCE_CUTOFF] = "its precedence is too low",
	};
	static const char *const ipv6[] = {
		[ICMP6_DST_UNREACH_NOROUTE] = "it has no route to the network",
		[ICMP6_DST_UNREACH_ADMIN] = "a firewall prohibits it",
		[ICMP6_DST_UNREACH_BEYONDSCOPE] = "the client's address has too small a scope",
		[ICMP6_DST_UNREACH_ADDR] = "the host does not answer there",
		[ICMP6_DST_UNREACH_NOPORT] = "nobody listens on the port",
		[5] = "a firewall prohibits the client's address",
		[6] = "a route says that it is to be rejected",
	};
	const bool is_ipv4 = family == AF_INET;
	const size_t count =
		is_ipv4 ? sizeof(ipv4) / sizeof(ipv4[0]) : sizeof(ipv6) / sizeof(ipv6[0]);
	const char *meaning = code < count ? (is_ipv4 ? ipv4 : ipv6)[code] : NULL;

	return meaning ? meaning : "it cannot be reached";
}

static void say_refused(const struct test *test, size_t index)
{
	const struct doctor_target *target = &test->doctor->targets[index];
	const struct refusal *refusal = &test->refusals[index];
	const uint8_t family = target->address.family;
	const bool no_port =
		refusal->code == (family == AF_INET ? ICMP_UNREACH_PORT : ICMP6_DST_UNREACH_NOPORT);
	struct doctor_finding *finding;
	char address[IP_TEXT_SIZE], from[IP_TEXT_SIZE];

	ip_format(&target->address, address);
	ip_format(&refusal->from, from);
	finding = doctor_report_add(test->report, DOCTOR_PROBLEM,
				    no_port ? "port_unreachable" : "refused", target->name,
				    "%s: %s refuses copies to port %u: %s", target->name, from,
				    target->port, code_meaning(family, refusal->code));
	doctor_meaning(finding, "%s",
		       ip_equal(&refusal->from, &target->address)
			       ? "The copy arrives, and the receiver refuses it."
			       : "Somebody on the way refuses it, and it does not arrive.");
	if (no_port)
		doctor_mend(finding, "ss -lunp 'sport = %u' # on %s", target->port, address);
	else
		doctor_mend(finding, "nft list ruleset; iptables-save; ip route get %s # on %s",
			    address, from);
}

static void say_sent(const struct test *test, size_t index)
{
	const struct doctor_target *target = &test->doctor->targets[index];
	struct doctor_finding *finding;
	char address[IP_TEXT_SIZE];

	ip_format(&target->address, address);
	finding = doctor_report_add(test->report, DOCTOR_OK, "send_test", target->name,
				    "%s: test message %s was sent", target->name, test->token);
	doctor_meaning(finding, "A refusal would go to the client; it is seen here only where the "
				"way to the client leads by this machine.");
	doctor_mend(finding,
		    "grep -r %s /var/log; tcpdump -nAi any udp port %u # on %s: has it arrived?",
		    test->token, target->port, address);
}

/* A socket that sees ICMP alone, also what is on its way to somebody else: the refusals go to the
 * client. Returns it or -errno. */
static int open_icmp(void)
{
	/* Without a link header the first byte is IP's (packet(7), SOCK_DGRAM). */
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0),
		BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 4),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 6, 3, 0),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 9),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_ICMP, 3, 0),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 6),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_ICMPV6, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	const struct sock_fprog program = {.len = sizeof(code) / sizeof(code[0]), .filter = code};
	int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, htons(ETH_P_ALL));

	if (fd >= 0)
		setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
	return fd < 0 ? -errno : fd;
}

void doctor_check_send_test(const struct doctor *doctor, struct doctor_report *report)
{
	struct test test = {
		.doctor = doctor,
		.report = report,
		.refusals = calloc(doctor->target_count + 1, sizeof(struct refusal)),
		.sent = calloc(doctor->target_count + 1, sizeof(bool)),
	};
	int fd = open_icmp();

	make_token(test.token);
	if (!test.refusals || !test.sent) {
		report->out_of_memory = true;
		goto out;
	}
	for (size_t i = 0; i < doctor->target_count; i++) {
		if (!has_message(&test, i))
			send_to(&test, i);
	}
	if (fd >= 0)
		listen_for_refusals(&test, fd);
	for (size_t i = 0; i < doctor->target_count; i++) {
		if (test.sent[i])
			(test.refusals[i].seen ? say_refused : say_sent)(&test, i);
	}
out:
	if (fd >= 0)
		close(fd);
	free(test.refusals);
	free(test.sent);
}
