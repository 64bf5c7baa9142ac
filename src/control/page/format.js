// SPDX-License-Identifier: MIT
// Numbers, rates, durations and times as text, as the program's own `status` and `top` write them.

const whole = new Intl.NumberFormat("en", {maximumFractionDigits: 0});
const UNITS = ["", "k", "M", "G", "T"];

export function number(value) {
	return whole.format(value);
}

// null: not known, as before the second answer.
export function rate(perSecond) {
	return perSecond === null ? "–" : whole.format(Math.round(perSecond));
}

export function perSecond(value) {
	return value === null ? "–" : `${rate(value)}/s`;
}

export function bits(bytesPerSecond) {
	let value = bytesPerSecond * 8;
	let unit = 0;

	if (bytesPerSecond === null)
		return "–";
	for (; value >= 999.95 && unit < UNITS.length - 1; unit++)
		value /= 1000;
	return `${unit ? value.toFixed(1) : value.toFixed(0)} ${UNITS[unit]}bit/s`;
}

export function plural(count, one, many = `${one}s`) {
	return `${number(count)} ${count === 1 ? one : many}`;
}

// The two largest units.
export function duration(seconds) {
	const parts = [
		[Math.floor(seconds / 86400), "d"],
		[Math.floor(seconds / 3600) % 24, "h"],
		[Math.floor(seconds / 60) % 60, "min"],
		[Math.floor(seconds) % 60, "s"],
	];
	const first = parts.findIndex(([count]) => count > 0);

	if (first < 0)
		return "0 s";
	return parts.slice(first, first + 2).filter(([count]) => count > 0)
		.map(([count, unit]) => `${count} ${unit}`).join(" ");
}

const two = (value) => String(value).padStart(2, "0");

// As the viewer's clock has it.
export function clock(date) {
	return [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(":");
}

export function dateAndClock(date) {
	return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ` +
		clock(date);
}

// Where copies go, as the configuration writes it.
export function place(destination) {
	if (!destination.address)
		return "no address yet";
	return destination.port ? `${destination.address}/${destination.port}`
		: `${destination.address}, the packet's port`;
}
