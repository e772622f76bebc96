#!/usr/bin/env python3
"""A second decoder of recordings, written from include/lode/FORMAT.md alone; shares nothing with lode.  Slow and plain.

usage: decoder.py FILE     prints totals as JSON
"""
import bisect
import heapq
import json
import os
import struct
import sys
import zlib

MASK64 = (1 << 64) - 1
MASK32 = (1 << 32) - 1
RECORDS = 1
(LANE, PROCESS, CLOCK, MODULE, MODULE_GONE, CODE, THREAD, THREAD_EXIT, NOTICE, MARK, MAP, UNMAP, PYTHON, RSS, EXIT, LOST,
 FORK, EXEC) = range(1, 19)
TIMED = {PROCESS, MODULE, MODULE_GONE, THREAD, THREAD_EXIT, NOTICE, MARK, MAP, UNMAP, PYTHON, RSS, EXIT, FORK, EXEC}


class Foreign(Exception):
    """Not a recording that can be read."""


class Payload:
    def __init__(self, kind, stream, pid, sequence, data):
        self.kind, self.stream, self.pid, self.sequence, self.data = kind, stream, pid, sequence, data


# ---- files ------------------------------------------------------------------------------------

def packed_payloads(data, start):
    at = start
    while at + 64 <= len(data):
        header = bytearray(data[at:at + 64])
        (magic, kind, codec, _, stream, sequence, _, _, raw, stored, _, pid, crc,
         header_crc) = struct.unpack("<4sHHIIQQQIIIIII", header)
        header[60:64] = b"\0\0\0\0"
        if magic != b"LBLK" or zlib.crc32(header) != header_crc:
            at = data.find(b"LBLK", at + 1)
            if at < 0:
                return
            continue
        at += 64
        content = data[at:at + stored]
        at += stored
        if len(content) < stored or zlib.crc32(content) != crc:
            continue
        if codec == 1:
            content = zlib.decompress(content, -15)
        if len(content) == raw:
            yield Payload(kind, stream, pid, sequence, content)


def log_payloads(data, start, segment_bytes):
    claimed, = struct.unpack_from("<I", data, 64)
    for i in range(claimed):
        at = start + i * segment_bytes
        if at + 128 > len(data):
            return
        magic, state, kind, _, stream, pid, sequence, _, _, committed = struct.unpack_from("<4sIIIIIQQQI", data, at)
        if magic == b"LSEG" and state in (1, 2):
            yield Payload(kind, stream, pid, sequence, data[at + 128:at + 128 + min(committed, segment_bytes - 128)])


def payloads(path):
    with open(path, "rb") as f:
        data = f.read()
    if data[:8] != b"LODE\r\n\x1a\n" or len(data) < 64:
        raise Foreign("not a recording")
    version, kind, start, segment_bytes = struct.unpack_from("<IIII", data, 8)
    if version != 1:
        raise Foreign("version %d" % version)
    if kind == 2:
        return list(log_payloads(data, start, segment_bytes))
    found = list(packed_payloads(data, start))
    if data[-8:] != b"LODE-END" and os.path.exists(path + ".log"):
        packed = {p.sequence for p in found if p.kind == RECORDS}
        found += [p for p in payloads(path + ".log") if p.kind != RECORDS or p.sequence not in packed]
    return found


# ---- lanes ------------------------------------------------------------------------------------

class Cut(Exception):
    """A record goes past its end."""


class Fields:
    def __init__(self, data, at=0, end=None):
        self.data, self.at, self.end = data, at, len(data) if end is None else end

    def number(self):
        value = shift = 0
        while shift < 70:
            if self.at >= self.end:
                raise Cut()
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 0x7f) << shift
            shift += 7
            if byte < 0x80:
                if value > MASK64:
                    raise Cut()
                return value
        raise Cut()

    def string(self):
        n = self.number()
        if n > self.end - self.at:
            raise Cut()
        self.at += n
        return bytes(self.data[self.at - n:self.at])


def rotr4(v):
    return v >> 4 | (v & 15) << 60


def rotl4(v):
    return (v << 4 | v >> 60) & MASK64


def address_slot(address):
    return ((address >> 4) * 0x9e3779b1 & MASK32) >> 26


def site_slot(stack, size, how):
    return ((stack * 0x9e3779b1 & MASK32) ^ ((size & MASK32) * 0x85ebca6b & MASK32) ^ (how * 0xc2b2ae35 & MASK32)) >> 26


def lane_events(data):
    """Yields (time, thread, name of event, fields...)."""
    f = Fields(data)
    time = address = thread = 0
    sites, addresses = [(0, 0, 0)] * 64, [0] * 64

    def take_address():
        v = f.number()
        return rotl4(rotr4(address) + ((v >> 1) ^ -(v & 1)) & MASK64)

    try:
        while f.at < f.end:
            tag = data[f.at]
            f.at += 1
            if tag < 0x40:
                length = f.number()
                if length > f.end - f.at:
                    return
                g = Fields(data, f.at, f.at + length)
                f.at += length
                if tag == LANE:
                    thread, time, address = g.number(), g.number(), 0
                    sites, addresses = [(0, 0, 0)] * 64, [0] * 64
                elif tag in TIMED:
                    time = time + g.number() & MASK64
                yield time, thread, tag, g
                continue
            if tag > 0xc2:
                return
            time = time + f.number() & MASK64
            if tag == 0xc2:
                flags, weight, stack = f.number(), f.number(), f.number()
                yield time, thread, "sample", (flags, weight, stack)
                continue
            if tag < 0x80:
                stack, size, how = sites[tag & 63]
                address = take_address()
            elif tag < 0xc0:
                address = addresses[tag & 63]
            elif tag == 0xc0:
                how, stack, size = f.number(), f.number(), f.number()
                sites[site_slot(stack, size, how)] = (stack, size, how)
                address = take_address()
            else:
                address = take_address()
            addresses[address_slot(address)] = address
            if tag < 0x80 or tag == 0xc0:
                yield time, thread, "alloc", (address, size, stack, how)
            else:
                yield time, thread, "free", (address,)
    except Cut:
        return


# ---- what it means ----------------------------------------------------------------------------

class Mappings:
    """Disjoint [start, end) in order; each knows which mapping it is a piece of."""

    def __init__(self):
        self.starts, self.pieces = [], []

    def cut(self, start, end):
        """Removes what lies in [start, end); returns (bytes, category, mapping) of each piece."""
        i = max(bisect.bisect_right(self.starts, start) - 1, 0)
        gone = []
        while i < len(self.pieces):
            s, e, category, mapping = self.pieces[i]
            if s >= end:
                break
            if e <= start:
                i += 1
                continue
            rest = [(a, b, category, mapping) for a, b in ((s, min(e, start)), (max(s, end), e)) if a < b]
            gone.append((min(e, end) - max(s, start), category, mapping))
            self.pieces[i:i + 1] = rest
            self.starts[i:i + 1] = [r[0] for r in rest]
            i += len(rest)
        return gone

    def add(self, start, end, category, mapping):
        i = bisect.bisect_right(self.starts, start)
        self.starts.insert(i, start)
        self.pieces.insert(i, (start, end, category, mapping))


class Stream:
    def __init__(self):
        self.blocks, self.mappings, self.live, self.unmapped = {}, Mappings(), 0, {}
        self.pid, self.first, self.last, self.main_left = 0, None, 0, False


def merged(found):
    """(payload, event) of all lanes in order.  Equal keys: the lane at hand goes on, else the lowest sequence; lode does
    the same, so that even a peak within one tick is the same."""
    lanes = []
    for payload in found:
        events = list(lane_events(payload.data)) if payload.kind == RECORDS else []
        keys = [2 * e[0] + (e[2] in ("alloc", MAP)) for e in events]
        if events:
            lanes.append([keys[0], payload.sequence, len(lanes), 0, keys, events, payload])
    heapq.heapify(lanes)
    while lanes:
        lane = heapq.heappop(lanes)
        _, sequence, number, at, keys, events, payload = lane
        limit = lanes[0][0] if lanes else None
        while at < len(events) and (limit is None or keys[at] <= limit):
            yield payload, events[at]
            at += 1
        if at < len(events):
            heapq.heappush(lanes, [keys[at], sequence, number, at, keys, events, payload])


def totals(path):
    found = payloads(path)
    streams, exited, notices = {}, set(), []
    out = dict(allocations=0, allocated=0, frees=0, samples=0, cpu=0, leaked=0, leaked_blocks=0, peak=0, nodes=0, codes=0,
               modules=0, marks=[], lost_events=0, lost_samples=0, python_dropped=0)
    order = list(merged(found))
    for payload, (time, _, what, fields) in order:
        s = streams.setdefault(payload.stream, Stream())
        s.pid = payload.pid
        s.first = time if s.first is None else s.first
        s.last = max(s.last, time)
        if what == THREAD_EXIT:
            s.main_left |= fields.number() == payload.pid
        elif what == EXIT:
            exited.add(fields.number())
        elif what == CODE:
            out["codes"] += 1
        elif what == MODULE:
            out["modules"] += 1
        elif what == MARK:
            out["marks"].append(fields.string().decode("utf-8", "replace"))
        elif what == NOTICE:
            notices.append(fields.number())
        elif what == LOST:
            out["lost_events"] += fields.number()
            out["lost_samples"] += fields.number()
    programs = {n: s for n, s in streams.items() if n}
    end = max([s.last for s in programs.values()] or [0])
    ends = sorted((s.last, n) for n, s in programs.items()
                  if s.last < end and (s.main_left or any(o.pid == s.pid and o.first > s.first for o in programs.values())))
    live = mapping_number = 0
    mapping_alive = {}
    leaks_of_the_dead = 0

    def acquire(s, size):
        nonlocal live
        s.live += size
        live += size
        out["allocations"] += 1
        out["allocated"] += size
        out["peak"] = max(out["peak"], live)

    def release(s, size):
        nonlocal live
        s.live -= size
        live -= size

    def cut(s, thread, start, stop):
        for size, category, mapping in s.mappings.cut(start, stop):
            s.unmapped[thread] = category
            if category in (0, 3):
                release(s, size)

    for payload, (time, thread, what, fields) in order:
        if not payload.stream:
            continue
        while ends and ends[0][0] < time:
            dead = streams[ends.pop(0)[1]]
            live -= dead.live
            leaks_of_the_dead += dead.live
            dead.live = 0
        s = streams[payload.stream]
        if what == "alloc":
            address, size, _, _ = fields
            if not address:
                continue
            if address in s.blocks:
                release(s, s.blocks[address])
            s.blocks[address] = size
            acquire(s, size)
        elif what == "free":
            out["frees"] += 1
            if fields[0] in s.blocks:
                release(s, s.blocks.pop(fields[0]))
        elif what == "sample":
            out["cpu"] += fields[1]
            out["samples"] += not fields[0] & 1
        elif what == UNMAP:
            start, size = fields.number(), fields.number()
            s.unmapped[thread] = 0
            cut(s, thread, start, start + size)
        elif what == MAP:
            category, start, size, _ = (fields.number() for _ in range(4))
            if not size:
                continue
            before = s.unmapped.get(thread, 0)
            cut(s, thread, start, start + size)
            if category == 5:
                category = before
            mapping_number += 1
            s.mappings.add(start, start + size, category, mapping_number)
            if category in (0, 3):
                acquire(s, size)
    for s in programs.values():
        pieces = [p for p in s.mappings.pieces if p[2] in (0, 3)]
        out["leaked"] += sum(s.blocks.values()) + sum(e - b for b, e, _, _ in pieces)
        out["leaked_blocks"] += len(s.blocks) + len({p[3] for p in pieces})
    check = live + leaks_of_the_dead
    if check != out["leaked"]:
        raise AssertionError("live %d, blocks %d" % (check, out["leaked"]))
    out["nodes"] = sum(1 for p in found if p.kind == 2 for i in range(0, len(p.data) - 15, 16) if any(p.data[i:i + 8]))
    out["processes"] = len(programs)
    out["severe_notices"] = sum(1 for n in notices if n)
    return out


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    try:
        print(json.dumps(totals(sys.argv[1]), indent=1))
    except (Foreign, OSError, struct.error) as why:
        sys.exit("decoder: %s: %s" % (sys.argv[1], why))
