# SPDX-License-Identifier: MIT
"""What the soak has measured: how flat memory, file descriptors, threads and queue stay, and the
table for docs/reliability.md."""

import statistics

# After a start: until every kind of answer, rule and fault has had its first time.
WARM_UP_S = 20
# name, column of a sample, unit, how much more the last quarter may have than the first: a part
# of it, and at least so much.
FLAT = (("memory (RSS)", 2, "KiB", 0.10, 3072), ("file descriptors", 3, "", 0.0, 8),
        ("threads", 4, "", 0.0, 1))
_FEWEST = 40  # samples, to speak of a trend


def longest_life(samples):
    """The samples of the process that lived longest, less its warm-up."""
    lives = {}
    for sample in samples:
        lives.setdefault(sample[1], []).append(sample)
    best = max(lives.values(), key=lambda life: life[-1][0] - life[0][0], default=[])
    return [sample for sample in best if sample[0] >= best[0][0] + WARM_UP_S]


def slope_per_hour(samples, column):
    """By least squares."""
    times = [sample[0] for sample in samples]
    values = [sample[column] for sample in samples]
    mean_time, mean_value = statistics.fmean(times), statistics.fmean(values)
    spread = sum((time - mean_time) ** 2 for time in times)
    return 3600 * sum((time - mean_time) * (value - mean_value)
                      for time, value in zip(times, values)) / spread if spread else 0.0


def rising(samples, sanitized):
    """What is not flat, as text: the median of the last quarter of samples against the first's.
    sanitized: memory is not asked about."""
    result = []
    quarter = len(samples) // 4
    if len(samples) < _FEWEST:
        return result
    for name, column, unit, part, least in FLAT:
        if sanitized and column == 2:
            continue
        first = statistics.median(sample[column] for sample in samples[:quarter])
        last = statistics.median(sample[column] for sample in samples[-quarter:])
        if last - first > max(first * part, least):
            result.append(f"{name}: {first:.0f} at first, {last:.0f} {unit}".rstrip() + " at last")
    return result


def _count(number):
    return f"{number:,}"


def flat_table(samples):
    """Lines of Markdown: minimum, medians, maximum and slope of the process that lived longest."""
    lines = ["| of the process that ran longest | smallest | median of the first quarter "
             "| of the last quarter | largest | slope per hour |", "|---|---|---|---|---|---|"]
    quarter = max(len(samples) // 4, 1)
    columns = [*FLAT, ("packets waiting in the queues", 5, "", 0, 0)]
    for name, column, unit, *_ in columns:
        values = [sample[column] for sample in samples]
        if values:
            shown = [f"{_count(round(value))} {unit}".strip() for value in (
                min(values), statistics.median(values[:quarter]),
                statistics.median(values[-quarter:]), max(values))]
            lines.append(f"| {name} | {' | '.join(shown)} | "
                         f"{slope_per_hour(samples, column):+,.1f} {unit}".rstrip() + " |")
    return lines


def totals_table(rows):
    """Lines of Markdown for [(what, number or text)]."""
    return ["| what | how many |", "|---|---|",
            *(f"| {what} | {_count(value) if isinstance(value, int) else value} |"
              for what, value in rows)]


class Row:
    """What became of packets in rounds with the same faults."""

    def __init__(self):
        self.times, self.kernel_drops = 0, 0
        self.counted, self.uncounted = {}, {}

    def lost(self, what, count, counted):
        """Adds a loss, of which the kernel itself has counted so much."""
        for part, number in ((self.counted, min(count, counted)),
                             (self.uncounted, max(count - counted, 0))):
            if number:
                part[what] = part.get(what, 0) + number


def faults_table(tally):
    """Lines of Markdown for {fault: Row}."""
    def shown(part):
        return ", ".join(f"{_count(number)} {what}" for what, number in sorted(part.items())) or "0"
    return ["| fault | rounds | kernel drops, by `status` | lost, by the kernel's counters "
            "| lost, counted by nobody |", "|---|---|---|---|---|",
            *(f"| {name} | {row.times} | {_count(row.kernel_drops)} | {shown(row.counted)} "
              f"| {shown(row.uncounted)} |" for name, row in sorted(tally.items()))]
