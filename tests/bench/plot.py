# SPDX-License-Identifier: MIT
"""Results as a picture, drawn by gnuplot."""

import shutil
import subprocess

PAYLOAD_BYTES = 200
_SCRIPT = """set terminal svg size 900,520 font "sans-serif,13" background "#ffffff"
set output "{output}"
set title "Highest rate without loss, one core, {payload}-byte payloads"
set ylabel "copies per second"
set logscale y 10
set format y "%.0s%c"
set yrange [{floor}:{ceiling}]
set style data histogram
set style histogram errorbars gap 2 lw 1
set style fill solid 0.9 border lc rgb "#222222"
set boxwidth 0.9
set grid ytics lc rgb "#dddddd"
set key outside right top
set xtics nomirror
set xlabel "destinations"
"""
_COLOURS = ("#1b6ca8", "#4c9fd4", "#0b3c5d", "#d98324", "#e8b04b", "#a44a3f", "#555555", "#999999")


def data(results, destinations, names):
    """gnuplot's input: a block per contender, a line per number of destinations with the median,
    least and most copies per second; ? where there is no figure."""
    blocks = []
    for name in names:
        lines = []
        for n in destinations:
            rounds = results.rounds((name, n, PAYLOAD_BYTES, 1))
            median = results.median((name, n, PAYLOAD_BYTES, 1))
            values = (median * n, min(rounds) * n, max(rounds) * n) if median else ()
            lines.append(f'"{n}" ' + (" ".join(f"{v:.0f}" for v in values) or "? ? ?"))
        blocks.append("\n".join(lines))
    return "\n\n\n".join(blocks) + "\n"


def draw(results, directory):
    """Writes capacity.svg into the directory; returns its path, or None without gnuplot."""
    keys = [k for k in results.keys() if k[2:] == (PAYLOAD_BYTES, 1) and results.median(k)]
    if not shutil.which("gnuplot") or not keys:
        return None
    destinations = sorted({k[1] for k in keys if k[0] != "routing"})
    names = [n for n in results.contenders if n != "routing" and any(k[0] == n for k in keys)]
    values, output = directory / "capacity.dat", directory / "capacity.svg"
    values.write_text(data(results, destinations, names), encoding="ascii")
    bars = ", ".join(
        f'"{values}" index {n} using 2:3:4:xtic(1) title "{name}" lc rgb "{colour}"'
        for n, (name, colour) in enumerate(zip(names, _COLOURS)))
    copies = [pps * k[1] for k in keys for pps in results.rounds(k)]
    script = _SCRIPT.format(output=output, payload=PAYLOAD_BYTES, floor=max(1, min(copies) / 2),
                            ceiling=max(copies) * 1.5)
    subprocess.run(["gnuplot"], input=script + "plot " + bars + "\n", text=True, check=True)
    return output
