// SPDX-License-Identifier: MIT
// What each reason for a drop means, and what to do. Commands are written `like this`.

export const REASONS = {
	no_route: {
		means: "The kernel has no route to the destination.",
		mend: "`trafficduplicator doctor` names the destination; `ip route` shows the " +
			"routes.",
	},
	unreachable: {
		means: "There is a route, but it says that the destination cannot be reached.",
		mend: "`trafficduplicator doctor` examines the way to each destination.",
	},
	down: {
		means: "The destination's CHECK has failed three times, or its name has no " +
			"address yet.",
		mend: "Mend that server or the way to it, or the name: copies go on by themselves.",
	},
	rejected: {
		means: "The appliance's own firewall refused the copy.",
		mend: "`trafficduplicator doctor` names the firewall's rule.",
	},
	oversize: {
		means: "The copy is larger than the MTU of the way out, and is not to be " +
			"fragmented or cannot be.",
		mend: "Raise that MTU, or take OVERSIZE “drop” from the rule.",
	},
	no_buffer: {
		means: "The send buffer or the network card's queue was full, or the card had " +
			"just gone down.",
		mend: "More is sent than the card carries: `ip -s link` shows its drops.",
	},
	loop: {
		means: "The packet has been here before: copies come back. Or TTL “decrement” has " +
			"used its TTL up.",
		mend: "`trafficduplicator doctor` names the destination: one of the two must not " +
			"send to the other.",
	},
	malformed: {
		means: "The packet's headers contradict themselves, or no client can have its " +
			"source.",
		mend: "Find the sender with `tcpdump` where packets arrive.",
	},
	truncated: {
		means: "The packet is larger than the queue can carry.",
		mend: "Have the client send smaller datagrams.",
	},
	queue_full: {
		means: "More packets came than were served, and the kernel refused them. They " +
			"are not copied; with WHENFULL “forward” the originals go on.",
		mend: "Set FASTPATH “auto” or SEND “link”, or give the appliance more " +
			"CPUs; `trafficduplicator doctor` looks at the queue.",
	},
	other: {
		means: "Another error from the kernel.",
		mend: "`trafficduplicator doctor` examines the way to each destination.",
	},
};

const UNKNOWN = {means: "This page does not know it.", mend: "Load the page again."};

export function explain(reason) {
	return Object.hasOwn(REASONS, reason) ? REASONS[reason] : UNKNOWN;
}
