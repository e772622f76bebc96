"""A small log archive: makes access-log lines, parses them, sums them up, and stores every batch as compressed JSON with a
digest in a database.  Most of the work happens in C libraries that Python calls: re, json, zlib, hashlib, sqlite3."""
import hashlib
import json
import random
import re
import sqlite3
import zlib

LINE = re.compile(r'(\d+\.\d+\.\d+\.\d+) "(GET|POST) (/[\w/]*)" (\d{3}) (\d+)')
PATHS = ["/", "/login", "/cart", "/cart/add", "/search", "/item/%d", "/item/%d/reviews"]


def make_lines(count):
    for _ in range(count):
        path = random.choice(PATHS)
        if "%d" in path:
            path = path % random.randrange(5000)
        yield '10.0.%d.%d "%s %s" %d %d' % (random.randrange(8), random.randrange(256), random.choice(["GET", "POST"]), path,
                                            random.choice([200, 200, 200, 304, 404, 500]), random.randrange(100000))


class Summary:
    def __init__(self):
        self.by_path = {}

    def add(self, record):
        entry = self.by_path.setdefault(record["path"], {"hits": 0, "bytes": 0, "clients": set()})
        entry["hits"] += 1
        entry["bytes"] += record["bytes"]
        entry["clients"].add(record["client"])


class Archive:
    def __init__(self):
        self.database = sqlite3.connect(":memory:")
        self.database.execute("CREATE TABLE batch (digest TEXT PRIMARY KEY, records INTEGER, data BLOB)")

    def store(self, records):
        data = zlib.compress(json.dumps(records).encode(), 6)
        digest = hashlib.sha256(data).hexdigest()
        self.database.execute("INSERT OR REPLACE INTO batch VALUES (?, ?, ?)", (digest, len(records), data))


def parse(line):
    client, method, path, status, size = LINE.match(line).groups()
    return {"client": client, "method": method, "path": path, "status": int(status), "bytes": int(size)}


def main():
    random.seed(7)
    summary, archive = Summary(), Archive()
    for _ in range(40):
        records = [parse(line) for line in make_lines(2000)]
        for record in records:
            summary.add(record)
        archive.store(records)
    busiest = max(summary.by_path.items(), key=lambda item: item[1]["hits"])
    print("80000 lines, %d paths, busiest %s with %d hits" % (len(summary.by_path), busiest[0], busiest[1]["hits"]))


if __name__ == "__main__":
    main()
