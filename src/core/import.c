/* SPDX-License-Identifier: MIT */
#include "core/import.h"

#include "core/import_draft.h"

#include <stdlib.h>
#include <string.h>

struct import_format {
	const char *name;
	const char *destination_form;
	uint16_t default_port;
	const char *default_port_of; /* "PROGRAM's default; for another, give WHAT as --port" */
	const char *given_outside;   /* what else decides, and is not in the file; NULL: nothing */
	const char *transparent;     /* what makes the other program keep a client's address */
	void (*read_line)(struct import_draft *draft, struct import_span line);
};

static const struct import_format formats[] = {
	{"samplicator", "HOST/PORT", 2000,
	 "samplicate's default; for another, give what its -p says as --port",
	 "destinations on samplicate's command line are not in this file: they get every packet, "
	 "so write them as a rule without SOURCEADDRESS; what its -s says is LISTENADDRESS",
	 "samplicate's -S", import_samplicator_line},
	{"pmacct", "HOST:PORT", 2100,
	 "nfacctd's default (sfacctd's is 6343); for another, give what nfacctd_port or "
	 "sfacctd_port says as --port",
	 NULL, "tee_transparent", import_pmacct_line},
};

const struct import_format *import_format_find(const char *name)
{
	for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
		if (strcmp(formats[i].name, name) == 0)
			return &formats[i];
	return NULL;
}

static void read_lines(const struct import_format *format, struct import_draft *draft,
		       struct import_span text)
{
	struct import_span line;

	while (text.length > 0) {
		draft->line++;
		import_span_cut(&text, "\n", &line);
		if (memchr(line.at, '\0', line.length)) {
			import_draft_problem(draft, "a NUL byte; give a text file");
			return;
		}
		line = import_span_trim(line);
		if (line.length > 0)
			format->read_line(draft, line);
	}
}

/* What concerns the file as a whole. */
static void add_notes(const struct import_format *format, struct import_draft *draft, bool chosen)
{
	draft->line = 0;
	if (chosen)
		import_draft_note(draft, "SOURCEPORT is %u, as --port says", draft->port);
	else
		import_draft_note(draft, "SOURCEPORT is %u, %s", draft->port,
				  format->default_port_of);
	import_draft_note(draft,
			  "copies carry the client's own address and port, as with %s; to send "
			  "from this machine's instead, write \"SOURCE\": \"appliance\" in a "
			  "destination's object",
			  format->transparent);
	if (format->given_outside)
		import_draft_note(draft, "%s", format->given_outside);
}

void import_convert(const struct import_format *format, const char *text, size_t length,
		    const char *file, uint16_t port, struct import_result *result)
{
	static const char mark[] = "\xef\xbb\xbf"; /* U+FEFF, which some editors write first */
	struct config_report report = {.file = file};
	struct import_span span = {text, length};
	struct import_draft draft = {.report = &report,
				     .destination_form = format->destination_form,
				     .port = port ? port : format->default_port};

	*result = (struct import_result){0};
	if (import_draft_begin(&draft)) {
		if (length >= 3 && memcmp(text, mark, 3) == 0)
			span = (struct import_span){text + 3, length - 3};
		read_lines(format, &draft, span);
		result->config = import_draft_finish(&draft);
		if (result->config)
			add_notes(format, &draft, port > 0);
		else if (!draft.incomplete)
			config_report_add(&report, 0, "nothing to convert in this file");
		result->complete = result->config && !draft.incomplete;
	}
	if (report.no_memory) {
		free(result->config);
		result->config = NULL;
		result->complete = false;
	}
	config_report_finish(&report, &result->messages);
}

void import_result_free(struct import_result *result)
{
	free(result->config);
	config_errors_free(&result->messages);
	*result = (struct import_result){0};
}
