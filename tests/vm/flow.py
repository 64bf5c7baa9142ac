# SPDX-License-Identifier: MIT
"""Packets that pass through the machine without a break while something happens to the service."""

from lib.stream import Stream, numbers

RATE_PPS = 100
SOME = 50  # packets


class Transit:
    """A client's datagrams on their way to the server, and their copies at receiver1."""

    def __init__(self, network, unit):
        self._unit = unit
        self._originals = network.server.capture()
        self._copies = network.receiver1.capture()
        self._stream = Stream(network.client1, network.server.v4, rate_pps=RATE_PPS)
        self._copies.wait(SOME)

    def end(self):
        """To be called once a fresh daemon serves. Says how many went uncopied in between.

        Every original must have arrived, once; a copy of each one, once, but for those that came
        while nobody listened, which follow each other; and the fresh daemon has counted its own.
        """
        self._unit.wait_received(SOME)
        sent = self._stream.stop()
        originals = numbers(self._originals.take_udp())
        assert sorted(originals) == list(range(sent)), "originals that were lost, or came twice"
        copied = numbers(self._copies.take_udp())
        assert len(set(copied)) == len(copied), "copies that came twice"
        gap = sorted(set(range(sent)) - set(copied))
        assert not gap or gap[-1] - gap[0] == len(gap) - 1, f"copies lost in between: {gap}"
        status = self._unit.status()
        assert status["queue"]["dropped_kernel_pkts"] == 0
        fresh = [n for n in copied if not gap or n > gap[-1]]
        if gap:
            assert status["received_pkts"] == len(fresh)
        assert status["received_pkts"] <= len(copied)
        print(f"{len(gap)} of {sent} packets went uncopied, {len(gap) / RATE_PPS:.2f} s")
        return len(gap)
