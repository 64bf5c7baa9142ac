# SPDX-License-Identifier: MIT
"""Results as text: tables in Markdown, which also read well on a terminal."""

import goals

_BEGIN, _END = "<!-- figures: begin -->", "<!-- figures: end -->"

BUSY_LOAD = 0.5
_OF_COPIES = ("source", "source_port", "ttl", "identification", "checksum")


def table(header, rows):
    """A Markdown table with aligned columns: the first one left, the others right."""
    lines = [[str(cell) for cell in row] for row in [header, *rows]]
    widths = [max(len(line[n]) for line in lines) for n in range(len(header))]

    def line(cells):
        aligned = [c.rjust(w) if n else c.ljust(w) for n, (c, w) in enumerate(zip(cells, widths))]
        return "| " + " | ".join(aligned) + " |"
    rule = "|" + "|".join("-" * (w + 1) + (":" if n else "-") for n, w in enumerate(widths)) + "|"
    return "\n".join([line(lines[0]), rule, *map(line, lines[1:])])


def thousands(pps):
    """Packets per second in thousands, with three digits."""
    return f"{pps / 1000:.1f}k" if pps < 99950 else f"{pps / 1000:.0f}k"


def _cell(results, key):
    pps = results.median(key)
    if pps is None:
        return "-"
    if not pps:
        return "0"
    rounds = results.rounds(key)
    spread = f" ({thousands(min(rounds))}-{thousands(max(rounds))})" if len(rounds) > 1 else ""
    return f"{'>= ' if results.bound(key) else ''}{thousands(pps)}{spread}"


def capacities(results):
    """Highest rate without loss with one rule: a table for each payload size."""
    names = [n for n in results.contenders if any(k[0] == n for k in results.keys())]
    tables = []
    for size in sorted({k[2] for k in results.keys()}):
        counts = sorted({k[1] for k in results.keys() if k[2:] == (size, 1)})
        tables.append(table(
            [f"packets in per second, {size} bytes"] + [f"to {n}" for n in counts],
            [[name] + [_cell(results, (name, n, size, 1)) for n in counts] for name in names]))
    return "\n\n".join(tables)


def details(results):
    """Overload, latency and CPU of every contender where they were measured."""
    rows = []
    for key in results.keys():
        if not results.rounds(key, "latency_p50_us"):
            continue

        def median(figure, form, key=key):
            value = results.median(key, figure)
            return "-" if value is None else form.format(value)
        rows.append([
            f"{key[0]}, {key[1]} x {key[2]} B",
            *(f"{median(f'overload_{f}_share', '{:.2f}')} at "
              f"{median(f'overload_{f}_reached', '{:.1f}')} x" for f in (2, 5)),
            *(median(f"latency_{name}_us", "{:.0f}") for name in ("p50", "p99", "p999")),
            median("cpu_core_s", "{:.2f}"), median("cpu_processes_s", "{:.2f}")])
    return table(["", "2 x capacity", "5 x capacity", "p50 us", "p99 us", "p99.9 us",
                  "core s/M copies", "processes s/M copies"], rows) if rows else ""


def rules(results):
    """Our ways with many rules."""
    keys = [k for k in results.keys() if k[3] > 1]
    return table(["packets in per second", "capacity"],
                 [[f"{k[0]}, {k[3]:,} rules, {k[1]} x {k[2]} B", _cell(results, k)] for k in keys]
                 ) if keys else ""


def ratios(found):
    """The goals, and below them what limits a line's meaning."""
    def number(value):
        return "-" if value is None else f"{value:.2f}"
    notes = []
    for ratio in found:
        if ratio.why and ratio.why not in notes:
            notes.append(ratio.why)
    text = table(
        ["ratio", "goal", "measured", "rounds", "", "note"],
        [[r.text, f"{'<=' if r.at_most else '>='} {r.goal:g}", number(r.measured),
          f"{number(r.low)}-{number(r.high)}" if r.low is not None else "", r.verdict,
          notes.index(r.why) + 1 if r.why else ""] for r in found])
    return text + "".join(f"\n{'' if n else chr(10)}{n + 1}. {note}"
                          for n, note in enumerate(notes))


def absences(results):
    """Who or what was left out, and why."""
    lines = [f"- {name}: {facts['absent']}" for name, facts in results.contenders.items()
             if "absent" in facts]
    lines += [f"- {key[0]}, {key[1]} x {key[2]} bytes"
              + (f", {key[3]:,} rules" if key[3] > 1 else "") + f": {why}"
              for key, why in results.skipped.items()
              if (results.contenders.get(key[0]) or {}).get("absent") is None and _telling(key)]
    return "\n".join(lines)


def _telling(key):
    return key[3] == 1  # that peers have no rules by client is said once, in the documentation


def remarks(results):
    """What each contender does and does not do, as seen in its copies."""
    rows = []
    for name, facts in results.contenders.items():
        copies = facts.get("copies")
        if copies:
            rows.append([name, facts["version"].split("[")[0].strip(),
                         *(copies[what] for what in _OF_COPIES), facts["remark"]])
    return table(["contender", "version", *(w.replace("_", " ") for w in _OF_COPIES), "remarks"],
                 rows)


def _machine(machine):
    return (f"{machine['date']}, Linux {machine['kernel']}, {machine['cpu']}, "
            f"{machine['cores']} cores, load before the run {machine['load_before']:.2f}"
            + (". **The machine was busy: figures are too low and scattered.**"
               if machine["load_before"] > BUSY_LOAD else ""))


def whole(results):
    """Everything, in Markdown."""
    parts = [_machine(results.machine), capacities(results), rules(results), details(results),
             ratios(goals.all_ratios(results)), remarks(results)]
    left_out = absences(results)
    if left_out:
        parts.append("Left out:\n\n" + left_out)
    faults = [f"- {fault}: {len(keys)} measurements" for fault, keys in results.faults().items()]
    if faults:
        parts.append("Beware:\n\n" + "\n".join(faults))
    return "\n\n".join(part for part in parts if part) + "\n"


def into_document(path, text):
    """Puts text between the markers of a document."""
    document = path.read_text(encoding="utf-8")
    head, begin, rest = document.partition(_BEGIN)
    _, end, tail = rest.partition(_END)
    assert begin and end, f"{path} lacks {_BEGIN} or {_END}"
    path.write_text(f"{head}{begin}\n\n{text.rstrip()}\n\n{end}{tail}", encoding="utf-8")
