# SPDX-License-Identifier: MIT
"""Medians, ratios, tables and what goes into the document."""

import json

import pytest

import goals
import plot
import report
from campaign import first_guess
from results import Results, summary

KEY = ("nfqueue-ip", 2, 200, 1)


def filled(**capacities):
    """Results with rounds of capacities by "name_destinations"."""
    results = Results({"date": "d", "kernel": "k", "cpu": "c", "cores": 2, "load_before": 0.0})
    for what, rounds in capacities.items():
        name, destinations = what.rsplit("_", 1)
        name = name.replace("_", "-")
        results.contenders.setdefault(name, {"title": name, "remark": "", "version": "1"})
        for number, pps in enumerate(rounds):
            results.add(number, (name, int(destinations), 200, 1), "capacity_pps", pps)
    return results


def line(results, start):
    """The ratio whose text begins so."""
    return next(r for r in goals.all_ratios(results) if r.text.startswith(start))


def test_summary_is_median_and_spread():
    assert summary([3.0, 1.0, 10.0]) == {"rounds": [3.0, 1.0, 10.0], "median": 3.0, "min": 1.0,
                                         "max": 10.0}


def test_the_best_peer_is_the_one_with_the_highest_median():
    results = filled(pmacct_8=[35, 36, 20], nfcapd_8=[30, 31, 99], syslog_ng_8=[16, 16, 16])
    assert results.best(goals.PEERS, (8, 200, 1)) == "pmacct"


def test_ratio_of_medians_with_the_spread_of_rounds():
    ratio = line(filled(nfqueue_link_2=[120, 160, 150], pmacct_2=[100, 80, 90]),
                 "nfqueue-link / best user-space peer (pmacct), 2")
    assert ratio.measured == pytest.approx(150 / 90)
    assert (ratio.low, ratio.high) == pytest.approx((1.2, 2.0))
    assert ratio.verdict == "reached"


def test_rounds_that_only_one_has_make_no_pair():
    results = filled(nfqueue_ip_2=[100], pmacct_2=[100])
    results.add(1, ("pmacct", 2, 200, 1), "capacity_pps", 50)
    results.add(2, ("nfqueue-ip", 2, 200, 1), "capacity_pps", 500)
    ratio = line(results, "nfqueue-ip / best")
    assert (ratio.low, ratio.high) == (1.0, 1.0)


def test_a_miss_is_a_miss_and_an_absence_says_why():
    results = filled(nfqueue_ip_2=[50], pmacct_2=[100])
    results.contenders["fastpath"] = {"absent": "no BPF here"}
    results.skipped[("pmacct", 8, 200, 1)] = "ran away"
    assert line(results, "nfqueue-ip / best user-space peer (pmacct), 2").verdict == "missed"
    missing = line(results, "fast path / hand-written")
    assert missing.verdict == "not measured"
    assert "no BPF here" in missing.why


def test_a_lower_bound_is_marked_everywhere():
    results = filled(fastpath_2=[400000], nft_2=[300000])
    results.mark_bound(("nft", 2, 200, 1))
    assert line(results, "fast path").why == "generator-bound: nft"
    assert ">= 300k" in report.capacities(results)
    assert ">= 400k" not in report.capacities(results)


def test_overload_says_what_multiple_was_reached():
    results = filled(nfqueue_ip_8=[30000])
    for figure, value in (("share", 0.85), ("reached", 3.2)):
        results.add(0, ("nfqueue-ip", 8, 200, 1), f"overload_5_{figure}", value)
    ratio = line(results, "delivered at 5 x capacity / lossless, nfqueue-ip")
    assert ratio.verdict == "reached"
    assert "3.2 x" in ratio.why


def test_memory_is_a_limit_and_counts_maps():
    results = filled(nfqueue_ip_8=[1])
    results.memory["nfqueue-ip"] = {"resident_bytes": 60 << 20, "bpf_maps_bytes": 5 << 20}
    ratio = line(results, "memory with 1,000 rules x 8 destinations, nfqueue-ip")
    assert ratio.measured == 65
    assert ratio.verdict == "missed"


def test_a_table_is_aligned():
    text = report.table(["a", "bb"], [["long one", 1], ["x", "100k"]])
    assert text.splitlines() == ["| a        |   bb |",
                                 "|----------|-----:|",
                                 "| long one |    1 |",
                                 "| x        | 100k |"]


@pytest.mark.parametrize("pps, text", [(3456, "3.5k"), (99949, "99.9k"), (99951, "100k"),
                                       (412345, "412k")])
def test_thousands(pps, text):
    assert report.thousands(pps) == text


def test_everybody_who_was_left_out_is_named_once():
    results = filled(nfqueue_ip_2=[1])
    results.contenders["samplicator"] = {"title": "", "remark": "", "absent": "not in Debian"}
    results.skipped[("nfcapd", 64, 200, 1)] = "7 destinations at most"
    results.skipped[("samplicator", 2, 200, 1)] = "not in Debian"
    assert report.absences(results).splitlines() == [
        "- samplicator: not in Debian", "- nfcapd, 64 x 200 bytes: 7 destinations at most"]


def test_json_holds_every_round(tmp_path):
    results = filled(nfqueue_ip_2=[1.0, 3.0, 2.0])
    results.write(tmp_path / "r.json")
    entry, = json.loads((tmp_path / "r.json").read_text())["measurements"]
    assert entry["contender"] == "nfqueue-ip"
    assert entry["capacity_pps"]["rounds"] == [1.0, 3.0, 2.0]


def test_figures_replace_what_is_between_the_markers(tmp_path):
    document = tmp_path / "d.md"
    document.write_text("before\n<!-- figures: begin -->\nold\n<!-- figures: end -->\nafter\n")
    for _ in range(2):
        report.into_document(document, "new\n")
    assert document.read_text() == ("before\n<!-- figures: begin -->\n\nnew\n\n"
                                    "<!-- figures: end -->\nafter\n")


def test_the_plot_has_a_gap_where_there_is_no_figure():
    results = filled(nfcapd_2=[10, 20, 30], nft_2=[100], nft_8=[50])
    assert plot.data(results, [2, 8], ["nfcapd", "nft"]) == (
        '"2" 40 20 60\n"8" ? ? ?\n\n\n"2" 200 200 200\n"8" 400 400 400\n')


def test_a_first_guess_goes_by_copies():
    known = {("a", 2, 200, 1): 90000, ("a", 8, 200, 1): 33000, ("b", 8, 64, 1): 1}
    assert first_guess(("a", 8, 64, 1), known) == (33000, 1.3)
    assert first_guess(("a", 26, 200, 1), known)[0] == pytest.approx(11000)
    assert first_guess(("c", 8, 64, 1), known) == (40000, 2.0)
