/* SPDX-License-Identifier: MIT */
/* Every construct of the other programs' formats, and what becomes of it. */
#ifndef TESTS_UNIT_IMPORT_CONVERSIONS_H
#define TESTS_UNIT_IMPORT_CONVERSIONS_H

#include <stdbool.h>

/* A text, the configuration that it becomes, and the messages about its lines. */
struct conversion {
	const char *text;
	const char *config; /* as json-c writes it without spaces; NULL: none */
	bool complete;
	const char *messages[6]; /* beginnings; those about the file as a whole are left out */
};

#define RULE(port, rest) "{\"SOURCEPORT\":\"" port "\"," rest "}"

static const struct conversion samplicator[] = {
	{"198.51.100.7: 192.0.2.1/9995\n",
	 "{\"from-198.51.100.7\":" RULE("2000", "\"SOURCEADDRESS\":\"198.51.100.7\",\"DESTINATION\""
						":[\"192.0.2.1/9995\"]") "}",
	 true,
	 {NULL}},
	{"# collectors\r\n\r\n  10.20.0.0/255.255.240.0 :\t192.0.2.1  192.0.2.2/6343 # both\r\n",
	 "{\"from-10.20.0.0/20\":" RULE("2000", "\"SOURCEADDRESS\":\"10.20.0.0/20\",\"DESTINATION\""
						":[\"192.0.2.1/2000\",\"192.0.2.2/6343\"]") "}",
	 true,
	 {NULL}},
	{"10.0.0.0/8:192.0.2.1/2055/10 192.0.2.2/2055/1,9 192.0.2.3/2055/,255 192.0.2.4/2055/01",
	 "{\"from-10.0.0.0/8\":" RULE("2000",
				      "\"SOURCEADDRESS\":\"10.0.0.0/8\",\"DESTINATION\":["
				      "{\"ADDRESS\":\"192.0.2.1\",\"PORT\":2055,\"SAMPLE\":10},"
				      "{\"ADDRESS\":\"192.0.2.2\",\"PORT\":2055,\"TTL\":9},"
				      "{\"ADDRESS\":\"192.0.2.3\",\"PORT\":2055,\"TTL\":255},"
				      "\"192.0.2.4/2055\"]") "}",
	 true,
	 {NULL}},
	{"0.0.0.0/0: flows.example.net/4739/100,32\n0.0.0.0: 192.0.2.9/1\n",
	 "{\"from-any\":" RULE("2000",
			       "\"DESTINATION\":[{\"ADDRESS\":\"flows.example.net\",\"PORT\":"
			       "4739,\"SAMPLE\":100,\"TTL\":32}]") ","
								   "\"from-any-line-2\":" RULE(
									   "2000",
									   "\"DESTINATION\":[\"192."
									   "0.2.9/1\"]") "}",
	 true,
	 {NULL}},
	{"[2001:db8:5::]/48: [2001:DB8::9]/4739 2001:db8::a/4739\n[::]/0: [2001:db8::b] \n"
	 "[2001:db8:6::1]: [2001:db8::c]/1/2\n",
	 "{\"from-2001:db8:5::/48\":" RULE(
		 "2000",
		 "\"SOURCEADDRESS\":\"2001:db8:5::/48\",\"DESTINATION\":"
		 "[\"2001:db8::9/4739\",\"2001:db8::a/4739\"]") ","
								"\"from-any\":" RULE(
									"2000",
									"\"DESTINATION\":[\"2001:"
									"db8::b/2000\"]") ","
											  "\"from-"
											  "2001:"
											  "db8:6::"
											  "1\""
											  ":" RULE(
												  "2000",
												  "\"SOURCEADDRESS\":\"2001:db8:6::1\",\"DESTINATION\":"
												  "[{\"ADDRESS\":\"2001:db8::c\",\"PORT\":1,\"SAMPLE\":2}]") "}",
	 true,
	 {NULL}},
	/* What both lines send to the same place goes there once. */
	{"10.1.0.0/16: 192.0.2.1/1 a.example/2\n10.2.0.0/16: 192.0.2.1/1\n"
	 "10.0.0.0/8: A.example/2\n10.1.2.3: 192.0.2.1/1\n",
	 "{\"from-10.1.0.0/16\":" RULE(
		 "2000",
		 "\"SOURCEADDRESS\":\"10.1.0.0/16\",\"DESTINATION\":"
		 "[\"192.0.2.1/1\",\"a.example/2\"]") ","
						      "\"from-10.2.0.0/16\":" RULE(
							      "2000",
							      "\"SOURCEADDRESS\":\"10.2.0.0/"
							      "16\",\"DESTINATION\":"
							      "[\"192.0.2.1/1\"]") ","
										   "\"from-10.0.0."
										   "0/8\":" RULE(
											   "2000",
											   "\"SOURC"
											   "EADDRES"
											   "S\":"
											   "\"10.0."
											   "0.0/"
											   "8\","
											   "\"DESTI"
											   "NATION"
											   "\":"
											   "[\"A."
											   "example"
											   "/2\"]") ","
												    "\"from-10.1.2.3\":" RULE(
													    "2000",
													    "\"SOURCEADDRESS\":\"10.1.2.3\",\"DESTINATION\":"
													    "[\"192.0.2.1/1\"]") "}",
	 true,
	 {"f:3: note: a.example/2: line 1 sends", "f:4: note: 192.0.2.1/1: line 1 sends"}},
	{"10.1.0.0/16: 192.0.2.1/1\n0.0.0.0/0: 192.0.2.1/1 192.0.2.2/1\n",
	 "{\"from-10.1.0.0/16\":" RULE(
		 "2000", "\"SOURCEADDRESS\":\"10.1.0.0/"
			 "16\",\"DESTINATION\":[\"192.0.2.1/1\"]") ",\"from-"
								   "any\":" RULE("200"
										 "0",
										 "\"D"
										 "EST"
										 "INA"
										 "TIO"
										 "N\""
										 ":["
										 "\"1"
										 "92."
										 "0."
										 "2."
										 "1/"
										 "1\""
										 ",\""
										 "192"
										 ".0."
										 "2."
										 "2/"
										 "1\""
										 "]") "}",
	 true,
	 {"f:2: note: 192.0.2.1/1: line 1 sends"}},
	{"10.9.0.0/16:\n10.8.0.0/16: # none\n",
	 NULL,
	 false,
	 {"f:1: note: \"10.9.0.0/16:\": no dest", "f:2: note: \"10.8.0.0/16:\": no dest"}},
	/* Clients that cannot be converted. */
	{"10.0.0.9/24: 192.0.2.1\n10.0.0.0/0: 192.0.2.1\n10.0.0.0/255.0.255.0: 192.0.2.1\n"
	 "10.0.0.0/33: 192.0.2.1\nrouter.example: 192.0.2.1\n[10.0.0.0/8: 192.0.2.1\n",
	 NULL,
	 false,
	 {"f:1: \"10.0.0.9/24\": has bits outside of its mask, so that no client matches it, not "
	  "in "
	  "samplicator either; write 10.0.0.0/24 ",
	  "f:2: \"10.0.0.0/0\": has bits", "f:3: \"255.0.255.0\": a mask with gaps",
	  "f:4: \"33\": not a mask", "f:5: \"router.example\": not a client", "f:6: "}},
	{"2001:db8::/32: [2001:db8::1]\n[2001:db8::]/129: [2001:db8::1]\n10.0.0.0/8 192.0.2.1\n"
	 "[2001:db8::]/ffff:: : [2001:db8::1]\n: 192.0.2.1\n/8: 192.0.2.1\n",
	 NULL,
	 false,
	 {"f:1: \"2001\": not a client", "f:2: \"129\": not a mask",
	  "f:3: \"10.0.0.0/8 192.0.2.1\": no colon", "f:4: \"ffff\": not a mask", "f:5: \"\": not",
	  "f:6: \"/8\": not a client"}},
	/* Destinations that cannot: the rest of the line stays. */
	{"0.0.0.0/0: 127.0.0.1/2055 192.0.2.1/2055 [::1] localhost/9 224.0.0.1 192.0.2.1:2055 "
	 "192.0.2.2/ipfix",
	 "{\"from-any\":" RULE("2000", "\"DESTINATION\":[\"192.0.2.1/2055\"]") "}",
	 false,
	 {"f:1: \"127.0.0.1/2055\": this machine itself", "f:1: \"[::1]\": this machine itself",
	  "f:1: \"localhost/9\": this machine itself",
	  "f:1: \"224.0.0.1\": not the address of one host",
	  "f:1: \"192.0.2.1:2055\": neither an address nor a host name; write HOST/PORT",
	  "f:1: \"192.0.2.2/ipfix\": the port is no number"}},
	{"0.0.0.0/0: 192.0.2.1//5 192.0.2.2/1/0 192.0.2.3/1/1,0 192.0.2.4/1/1,256 192.0.2.5/0 "
	 "192.0.2.6/65536",
	 NULL,
	 false,
	 {"f:1: \"192.0.2.1//5\": the port", "f:1: \"192.0.2.2/1/0\": the sampling",
	  "f:1: \"192.0.2.3/1/1,0\": the TTL", "f:1: \"192.0.2.4/1/1,256\": the TTL",
	  "f:1: \"192.0.2.5/0\": the port", "f:1: \"192.0.2.6/65536\": the port"}},
	{"0.0.0.0/0: [2001:db8::1]:80 [2001:db8::1 2001:db8::1] fe80::1/5 [fe80::1%eth0]/5 "
	 "[::ffff:192.0.2.1]/5",
	 NULL,
	 false,
	 {"f:1: \"[2001:db8::1]:80\": neither", "f:1: \"[2001:db8::1\": neither",
	  "f:1: \"2001:db8::1]\": neither", "f:1: \"fe80::1/5\": a link-local",
	  "f:1: \"[fe80::1%eth0]/5\": neither", "f:1: \"[::ffff:192.0.2.1]/5\": an IPv4 address"}},
	{"0.0.0.0/0: -a/1 a..b/1 .a/1 a.0x7f/1 10.1/1 a.localhost a_b.c-d/1 z./1",
	 "{\"from-any\":" RULE("2000", "\"DESTINATION\":[\"a_b.c-d/1\",\"z/1\"]") "}",
	 false,
	 {"f:1: \"-a/1\": neither", "f:1: \"a..b/1\": neither", "f:1: \".a/1\": neither",
	  "f:1: \"a.0x7f/1\": neither", "f:1: \"10.1/1\": neither",
	  "f:1: \"a.localhost\": this machine itself"}},
	{"10.0.0.0/8: 192.0.2.1/7 [2001:db8::1]/7 b.example/7 192.0.2.1/07/5\n"
	 "[2001:db8::]/32: 192.0.2.1/7\n",
	 "{\"from-10.0.0.0/8\":" RULE("2000", "\"SOURCEADDRESS\":\"10.0.0.0/8\",\"DESTINATION\":"
					      "[\"192.0.2.1/7\",\"b.example/7\"]") "}",
	 false,
	 {"f:1: \"[2001:db8::1]/7\": a copy of an IPv4", "f:1: \"192.0.2.1/07/5\": stands twice",
	  "f:2: \"192.0.2.1/7\": a copy of an IPv6"}},
	{"", NULL, false, {NULL}},
	{"#\n \t\n", NULL, false, {NULL}},
	{"\xef\xbb\xbf"
	 "0.0.0.0/0: 192.0.2.1/1",
	 "{\"from-any\":" RULE("2000", "\"DESTINATION\":[\"192.0.2.1/1\"]") "}",
	 true,
	 {NULL}},
};

static const struct conversion pmacct[] = {
	{"! receivers\n  ! of flows\n# too\nid=7\tip=192.0.2.1:2055\n\n",
	 "{\"pool-7\":" RULE("2100", "\"DESTINATION\":[\"192.0.2.1/2055\"]") "}",
	 true,
	 {NULL}},
	{"ip=192.0.2.1:2055,[2001:db8::1]:4739,2001:db8::2:4739,flows.example.net:9 "
	 "id=4294967295\r\n",
	 "{\"pool-4294967295\":" RULE("2100",
				      "\"DESTINATION\":[\"192.0.2.1/2055\",\"2001:db8::1/4739\","
				      "\"2001:db8::2/4739\",\"flows.example.net/9\"]") "}",
	 true,
	 {NULL}},
	{"id=1 ip=192.0.2.1:1,192.0.2.2:1 balance-alg=rr\n"
	 "id=2 ip=192.0.2.3:1,192.0.2.4:1 balance-alg=hash-agent\n"
	 "id=3 ip=192.0.2.5:1,192.0.2.6:1 balance-alg=hash-crc32\n",
	 "{\"pool-1\":" RULE(
		 "2100",
		 "\"DESTINATION\":[\"192.0.2.1/1\",\"192.0.2.2/1\"],\"BALANCE\""
		 ":\"round-robin\"") ","
				     "\"pool-2\":" RULE(
					     "2100",
					     "\"DESTINATION\":[\"192.0.2.3/1\",\"192.0.2.4/"
					     "1\"],\"BALANCE\""
					     ":\"hash\"") ","
							  "\"pool-3\":" RULE(
								  "2100", "\"DESTINATION\":[\"192."
									  "0.2.5/1\",\"192.0.2.6/"
									  "1\"],\"BALANCE\""
									  ":\"hash\"") "}",
	 true,
	 {NULL}},
	{"id=1 ip=192.0.2.1:1\nid=2 ip=192.0.2.1:1\nid=2 ip=192.0.2.2:1\n",
	 "{\"pool-1\":" RULE(
		 "2100",
		 "\"DESTINATION\":[\"192.0.2.1/1\"]") ","
						      "\"pool-2\":" RULE(
							      "2100",
							      "\"DESTINATION\":[\"192.0.2."
							      "1/1\"]") ","
									"\"pool-2-line-"
									"3\":" RULE("2100",
										    "\"DESTINAT"
										    "ION\":["
										    "\"192.0.2."
										    "2/1\"]") "}",
	 true,
	 {"f:2: note: 192.0.2.1/1: line 1 sends to it as well"}},
	/* Would send too much without what is missing: disabled. */
	{"id=1 ip=192.0.2.1:1 tag=20,30-40\nid=2 ip=192.0.2.1:1,192.0.2.2:1 "
	 "balance-alg=hash-tag\n"
	 "id=3 ip=192.0.2.1:1 balance-alg=magic\n",
	 "{\"pool-1\":" RULE(
		 "2100",
		 "\"DESTINATION\":[\"192.0.2.1/"
		 "1\"],\"ENABLED\":false") ","
					   "\"pool-2\":" RULE(
						   "2100",
						   "\"DESTINATIO"
						   "N\":[\"192."
						   "0.2.1/"
						   "1\",\"192.0."
						   "2.2/"
						   "1\"],"
						   "\"BALANCE\""
						   ":\"hash\","
						   "\"ENABLED\":"
						   "false") ","
							    "\"p"
							    "ool"
							    "-3"
							    "\""
							    ":" RULE("2100",
								     "\"DESTINATION\":[\"192.0.2.1/"
								     "1\"],\"BALANCE\":\"hash\","
								     "\"ENABLED\":false") "}",
	 false,
	 {"f:1: tag=\"20,30-40\": tags come from pre_tag_map, not from the packets; "
	  "rule pool-1 is",
	  "f:2: balance-alg=\"hash-tag\": no equivalent; rule pool-2 is disabled",
	  "f:3: balance-alg=\"magic\": no equivalent"}},
	{"id=1 ip=192.0.2.1:1 src_port=2100\nid=2 ip=192.0.2.2:1 colour=red\n"
	 "id=3 id=4 ip=192.0.2.3:1\n",
	 "{\"pool-1\":" RULE(
		 "2100",
		 "\"DESTINATION\":[\"192.0.2.1/1\"]") ","
						      "\"pool-2\":" RULE("2100",
									 "\"DESTINATION\":["
									 "\"192.0.2.2/"
									 "1\"],\"ENABLED\":"
									 "false") ","
										  "\"pool-"
										  "3\":" RULE(
											  "210"
											  "0",
											  "\"D"
											  "EST"
											  "INA"
											  "TIO"
											  "N\""
											  ":["
											  "\"1"
											  "92."
											  "0."
											  "2."
											  "3/"
											  "1\""
											  "],"
											  "\"E"
											  "NAB"
											  "LED"
											  "\":"
											  "fal"
											  "se") "}",
	 false,
	 {"f:1: src_port=\"2100\": copies keep the client's own port", "f:2: \"colour=red\": not a",
	  "f:2: rule pool-2 is disabled", "f:3: \"id=4\": the key stands twice",
	  "f:3: rule pool-3 is disabled"}},
	/* What is said of a pool whose id stands twice names its own rule. */
	{
		"id=1 ip=192.0.2.1:1\nid=1 ip=192.0.2.2:1 tag=5\n"
		"id=1 ip=192.0.2.3:1,192.0.2.4:1 balance-alg=hash-tag colour=red\n",
		"{\"pool-1\":" RULE(
			"2100",
			"\"DESTINATION\":[\"192.0.2.1/1\"]") ",\"pool-1-line-"
							     "2\":" RULE(
								     "2100",
								     "\"DE"
								     "STIN"
								     "ATIO"
								     "N\":"
								     "[\"1"
								     "92."
								     "0.2."
								     "2/"
								     "1\"]"
								     ",\"E"
								     "NABL"
								     "ED\""
								     ":fal"
								     "se") ",\"pool-1-line-"
									   "3\":" RULE("2100",
										       "\"DESTINATI"
										       "ON\":"
										       "[\"192.0.2."
										       "3/"
										       "1\",\"192."
										       "0.2.4/"
										       "1\"],"
										       "\"BALANCE\""
										       ":"
										       "\"hash\","
										       "\"ENABLED\""
										       ":"
										       "false") "}",
		false,
		{"f:2: tag=\"5\": tags come from pre_tag_map, not from the packets; rule "
		 "pool-1-line-2 is",
		 "f:3: \"colour=red\": not a",
		 "f:3: balance-alg=\"hash-tag\": no equivalent; rule pool-1-line-3 is disabled",
		 "f:3: rule pool-1-line-3 is disabled"}},
	/* Left out. */
	{"id=1 kafka_broker=192.0.2.1:9092 kafka_topic=flows\nid=2 "
	 "zmq_address=192.0.2.1:5555\n"
	 "id=3\nip=192.0.2.1:1\nid=0 ip=192.0.2.1:1\nid=x ip=192.0.2.1:1\n",
	 NULL,
	 false,
	 {"f:1: a pool that writes to Kafka or ZeroMQ", "f:2: a pool that writes to Kafka or Zero",
	  "f:3: no receivers", "f:4: no valid id", "f:5: no valid id", "f:6: no valid id"}},
	{"id=1 ip=[::1]:2100\nid=2 "
	 "ip=192.0.2.1,[2001:db8::1],:5,192.0.2.2:ipfix,,192.0.2.3:5\n",
	 "{\"pool-2\":" RULE("2100", "\"DESTINATION\":[\"192.0.2.3/5\"]") "}",
	 false,
	 {"f:1: \"[::1]:2100\": this machine itself", "f:2: \"192.0.2.1\": the port is no number",
	  "f:2: \"[2001:db8::1]\": neither an address nor a host name; write HOST:PORT",
	  "f:2: \":5\": neither", "f:2: \"192.0.2.2:ipfix\": the port is no number"}},
	{"id = 1 ip=192.0.2.1:1\n",
	 NULL,
	 false,
	 {"f:1: \"id\": not KEY=VALUE", "f:1: \"=\": not a key", "f:1: \"1\": not KEY=VALUE",
	  "f:1: no valid id"}},
	{"id=1 ip=192.0.2.1:1,192.0.2.1:1 balance-alg=rr",
	 "{\"pool-1\":" RULE("2100", "\"DESTINATION\":[\"192.0.2.1/1\"],\"BALANCE\":"
				     "\"round-robin\"") "}",
	 false,
	 {"f:1: \"192.0.2.1:1\": stands twice in this line"}},
};

#endif
