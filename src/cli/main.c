/* SPDX-License-Identifier: MIT */
#include "cli/options.h"
#include "cli/verbs.h"
#include "control/control_socket.h"
#include "control/log.h"
#include "core/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct verb {
	const char *name;
	const char *summary;
	const char *help;
	int (*run)(const struct options *options);
	unsigned own_options; /* OPTIONS_OF_... */
	int argument_count;
	const char *arguments; /* how --help writes these; NULL: none */
};

static const char run_help[] =
	"Installs the rules, duplicates packets until SIGTERM or SIGINT, and takes the rules "
	"away.\n"
	"Prints one line that ends in \"ready\" once packets are being duplicated. SIGHUP "
	"reloads.\n"
	"Refuses a configuration file that its group or others can write.\n"
	"\n"
	"  --log-format FORMAT    text (default) or json: how stderr is written\n";

static const char check_help[] =
	"Prints the rules as understood, or every error. Changes nothing.\n";

static const char status_help[] =
	"Asks the running daemon. Rates are those of one second.\n"
	"\n"
	"  --json                 the counters as JSON, at once and without rates\n";

static const char top_help[] =
	"The counters and rates of 'status', live in the terminal: once a second.\n"
	"\n"
	"  arrows, PgUp, PgDn, Home, End   scroll\n"
	"  q                               quit\n"
	"\n"
	"In colour unless NO_COLOR is set.\n";

static const char rules_help[] =
	"Writes to stdout what the rules script loads. Changes nothing.\n"
	"\n"
	"  --way WAY              nft (default) or iptables: what puts packets into the queue\n"
	"  --defragmentation HOW  tproxy (default) or ct: what joins fragments before that\n"
	"  --format FORMAT        nft (default) or iptables: which program's input to write\n";

static const char reload_help[] =
	"Has the running daemon validate its configuration file and put it in force, all of it or\n"
	"nothing, without losing a packet. Prints what changed, or every error.\n";

static const char handover_help[] =
	"For the service's restart: has the running daemon, when it is ended within 20 seconds,\n"
	"leave its queues to the one that the service manager starts next, so that no packet is\n"
	"lost. Refuses where that one could not start, or not with these queues.\n";

static const char explain_help[] =
	"Says which rules match a UDP packet from SRC to DST, where copies go, and why other rules "
	"do\n"
	"not match. Asks the configuration, not the daemon, and takes all destinations for up.\n"
	"\n"
	"  SRC                    the client: ADDRESS or ADDRESS/PORT\n"
	"  DST                    where it sends to: ADDRESS/PORT\n"
	"  --interface IF         the interface that it arrives on\n";

static const char import_help[] =
	"Writes to stdout the configuration that does what another duplicator's does, and to\n"
	"stderr, line by line, what has no equivalent. FORMAT is one of:\n"
	"\n"
	"  samplicator            the file of samplicate's -c\n"
	"  pmacct                 the tee plugin's tee_receivers map\n"
	"\n"
	"  --port PORT            the UDP port that clients send to, which is not in these files\n"
	"                         (2000 for samplicator, 2100 for pmacct)\n"
	"\n"
	"Exit code 1 where something could not be converted; the rest is written.\n";

static const char doctor_help[] =
	"Examines this machine and the way to every destination: what is wrong, what it means, "
	"and\n"
	"the command that mends it. Changes nothing. Most of it needs root. Exit code 1 where "
	"there\n"
	"is a problem, 3 where that is an invalid configuration; warnings alone are 0.\n"
	"\n"
	"  --json                 the findings as JSON\n"
	"  --send-test CLIENT     also send one marked test message to each destination, with the\n"
	"                         address CLIENT as its source\n";

static const struct verb verbs[] = {
	{"run", "the daemon, in the foreground", run_help, verb_run, OPTIONS_OF_RUN, 0, NULL},
	{"check", "validate the configuration", check_help, verb_check, 0, 0, NULL},
	{"status", "counters per rule and destination, with rates", status_help, verb_status,
	 OPTIONS_OF_STATUS, 0, NULL},
	{"top", "the same, live in the terminal", top_help, verb_top, 0, 0, NULL},
	{"rules", "print the nft rules for the configuration", rules_help, verb_rules,
	 OPTIONS_OF_RULES, 0, NULL},
	{"reload", "put a changed configuration in force", reload_help, verb_reload, 0, 0, NULL},
	{"handover", "have a restart lose no packet", handover_help, verb_handover, 0, 0, NULL},
	{"explain", "what would happen to a packet, and why", explain_help, verb_explain,
	 OPTIONS_OF_EXPLAIN, 2, "SRC DST"},
	{"import", "write the equivalent of another duplicator's configuration", import_help,
	 verb_import, OPTIONS_OF_IMPORT, 2, "FORMAT FILE"},
	{"doctor", "say what keeps packets from arriving, and what mends it", doctor_help,
	 verb_doctor, OPTIONS_OF_STATUS | OPTIONS_OF_DOCTOR, 0, NULL},
};

#define VERB_COUNT (sizeof(verbs) / sizeof(verbs[0]))

static void print_common_options(void)
{
	printf("\nCommon options:\n"
	       "  -c, --config FILE      the configuration (%s)\n"
	       "  --socket PATH          the daemon's control socket (%s)\n"
	       "  --rules-script PATH    installs and removes the rules (%s)\n"
	       "  --no-rules             leave the rules to the administrator\n"
	       "  -v, --verbose          say more on stderr\n"
	       "  --version              print the version\n"
	       "  -h, --help             of a verb: 'trafficduplicator VERB --help'\n"
	       "\nExit codes: 0 fine, 1 failed, 2 usage, 3 invalid configuration.\n",
	       CONFIG_DEFAULT_PATH, CONTROL_SOCKET_DEFAULT_PATH, OPTIONS_RULES_SCRIPT);
}

static void print_help(void)
{
	printf("Usage: trafficduplicator VERB [OPTION...]\n"
	       "\n"
	       "Sends copies of UDP packets to any number of destinations, which see the true "
	       "client's address.\n"
	       "\n"
	       "Verbs:\n");
	for (size_t i = 0; i < VERB_COUNT; i++)
		printf("  %-22s %s\n", verbs[i].name, verbs[i].summary);
	print_common_options();
}

static void print_verb_help(const struct verb *verb)
{
	printf("Usage: trafficduplicator %s%s%s [OPTION...]\n\n%s", verb->name,
	       verb->arguments ? " " : "", verb->arguments ? verb->arguments : "", verb->help);
	print_common_options();
}

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; i < VERB_COUNT; i++) {
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	}
	return NULL;
}

static int usage_error(const char *what, const char *argument)
{
	fprintf(stderr, "trafficduplicator: %s '%s'; see 'trafficduplicator --help'\n", what,
		argument);
	return EXIT_USAGE;
}

static int dispatch(const struct options *options)
{
	const struct verb *verb = options->verb ? find_verb(options->verb) : NULL;

	if (options->verb && !verb)
		return usage_error("unknown verb", options->verb);
	if (verb && options->argument_count > verb->argument_count)
		return usage_error("unexpected argument", options->arguments[verb->argument_count]);
	if (options->version) {
		printf("trafficduplicator %s\n", TRAFFICDUPLICATOR_VERSION);
		return EXIT_FINE;
	}
	if (!verb && options->help) {
		print_help();
		return EXIT_FINE;
	}
	if (!verb) {
		fprintf(stderr, "trafficduplicator: a verb is missing; see 'trafficduplicator "
				"--help'\n");
		return EXIT_USAGE;
	}
	if (options->own & ~verb->own_options)
		return usage_error("an option of another verb was given to", verb->name);
	if (options->help) {
		print_verb_help(verb);
		return EXIT_FINE;
	}
	if (options->argument_count < verb->argument_count)
		return usage_error("an argument is missing after", verb->name);
	return verb->run(options);
}

/* Else the first files that are opened would become standard input and output. */
static void open_closed_streams(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
}

int main(int argc, char **argv)
{
	struct options options;
	int code;

	open_closed_streams();
	if (!options_parse(&options, argc, argv))
		return EXIT_USAGE;
	if (options.verbose)
		log_set_level(LOG_LEVEL_DEBUG);
	code = dispatch(&options);
	/* A full disk or a closed pipe must not pass for success. */
	if (fflush(stdout) != 0 || ferror(stdout)) {
		fprintf(stderr, "trafficduplicator: cannot write to stdout: %s\n", strerror(errno));
		return code == EXIT_FINE ? EXIT_FAILED : code;
	}
	return code;
}
