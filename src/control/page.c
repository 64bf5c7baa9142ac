/* SPDX-License-Identifier: MIT */
#include "control/page.h"

#define SCRIPT(X, name)                                                                            \
	X(name##_js, #name ".js", "/page/" #name ".js", "text/javascript; charset=utf-8")

/* Symbol, file, path and type of each. */
#define FILES(X)                                                                                   \
	X(index_html, "index.html", "/", "text/html; charset=utf-8")                               \
	X(style_css, "style.css", "/page/style.css", "text/css; charset=utf-8")                    \
	X(tables_css, "tables.css", "/page/tables.css", "text/css; charset=utf-8")                 \
	X(icon_svg, "icon.svg", "/page/icon.svg", "image/svg+xml")                                 \
	SCRIPT(X, accounts)                                                                        \
	SCRIPT(X, dom)                                                                             \
	SCRIPT(X, drops)                                                                           \
	SCRIPT(X, format)                                                                          \
	SCRIPT(X, head)                                                                            \
	SCRIPT(X, main)                                                                            \
	SCRIPT(X, model)                                                                           \
	SCRIPT(X, plot)                                                                            \
	SCRIPT(X, reasons)                                                                         \
	SCRIPT(X, rule_card)                                                                       \
	SCRIPT(X, rules)                                                                           \
	SCRIPT(X, traffic)                                                                         \
	SCRIPT(X, verdict)

/*
 * The assembler puts a file, and a NUL behind it, at a symbol. It is hidden: nobody else's, and
 * found without the dynamic linker. The file is looked for below the folder that make runs in.
 */
#define EMBED(symbol, file, path, type)                                                            \
	__asm__(".pushsection .rodata\n"                                                           \
		".globl page_" #symbol "\n"                                                        \
		".hidden page_" #symbol "\n"                                                       \
		"page_" #symbol ": .incbin \"src/control/page/" file "\"\n"                        \
		".byte 0\n"                                                                        \
		".popsection\n");                                                                  \
	extern const char page_##symbol[] __attribute__((visibility("hidden")));
FILES(EMBED)

/* Nothing inline, nothing from elsewhere, and no frame around it. */
#define POLICY                                                                                     \
	"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "                \
	"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

#define ROUTE(symbol, file, at, what)                                                              \
	{.path = (at), .type = (what), .policy = POLICY, .text = page_##symbol},
const struct http_route page_routes[PAGE_ROUTE_COUNT] = {FILES(ROUTE)};
