#!/usr/bin/env python3
"""The exchange formats say the same numbers: exports a recording in each and compares.

  formats.py LODE RECORDING     exports into a temporary directory, then compares with `lode top --json` too
  formats.py --directory DIR    compares what is there: x.speedscope.json x.pb.gz x.html x.svg x.folded (any of them)

Each format is read by a decoder written here from its own documentation, not from lode's code.  Where Go or Chromium with
Node are installed, `go tool pprof` and page.mjs judge as well; where not, it says so."""
import base64, collections, gzip, json, os, re, shutil, subprocess, sys, tempfile, xml.etree.ElementTree, zlib

HERE = os.path.dirname(os.path.abspath(__file__))
PPROF_WORDS = {"samples": "samples", "cpu": "cpu", "wall": "wall", "alloc_objects": "allocations", "alloc_space": "allocated",
               "inuse_objects": "live_blocks", "inuse_space": "live", "peak_objects": "peak_blocks", "peak_space": "peak",
               "leaked_objects": "leaked_blocks", "leaked_space": "leaked", "temporary_objects": "temporary"}
failures = []


def check(good, text):
    if not good:
        failures.append(text)
        print("FAIL", text)


# ---- decoders: each returns {measure: total} and the functions' own values where the format has them ----

def varints(data, at=0):
    while at < len(data):
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        yield value, at


def fields(data):
    """Protobuf: (field, value or bytes) of a message."""
    at = 0
    while at < len(data):
        key, at = next(varints(data, at))
        value, at = next(varints(data, at))
        if key & 7 == 2:
            if at + value > len(data):
                raise ValueError("cut short")
            value, at = data[at:at + value], at + value
        elif key & 7:
            raise ValueError("wire type %d" % (key & 7))
        yield key >> 3, value


def signed(value):
    return value - (1 << 64) if value >> 63 else value


def read_pprof(path):
    groups = collections.defaultdict(list)
    for field, value in fields(gzip.open(path).read()):
        groups[field].append(value)
    strings = [s.decode("utf-8") for s in groups[6]]  # strict: a protobuf string is UTF-8
    check(strings[0] == "", "pprof: string 0 is not empty")
    types = [[strings[dict(fields(t)).get(n, 0)] for n in (1, 2)] for t in groups[1]]
    functions = {}
    for f in groups[5]:
        f = dict(fields(f))
        check(3 not in f, "pprof: a function has a system_name")
        functions[f[1]] = strings[f[2]]
    mappings = {dict(fields(m))[1] for m in groups[3]}
    locations = {}
    for message in groups[4]:
        id, lines = None, []
        for field, value in fields(message):
            if field == 1:
                id = value
            elif field == 2:
                check(value in mappings, "pprof: a location of no mapping")
            elif field == 4:
                lines.append(functions[dict(fields(value))[1]])
        check(lines and id not in locations, "pprof: location ids")
        locations[id] = lines
    totals, own = collections.Counter(), collections.defaultdict(collections.Counter)
    for message in groups[2]:
        sample = dict(fields(message))
        ids = [v for v, _ in varints(sample.get(1, b""))]
        values = [signed(v) for v, _ in varints(sample[2])]
        check(len(values) == len(types), "pprof: as many values as types")
        leaf = [locations[i] for i in ids][0][0] if ids else None
        for (word, _), value in zip(types, values):
            totals[PPROF_WORDS[word]] += value
            if leaf:
                own[PPROF_WORDS[word]][leaf] += value
    return dict(totals), own


def read_speedscope(path):
    d = json.load(open(path, encoding="utf-8"))
    check(d["$schema"] == "https://www.speedscope.app/file-format-schema.json", "speedscope: schema")
    check(re.match(r"lode@\d", d["exporter"]), "speedscope: exporter")
    frames, totals = d["shared"]["frames"], {}
    own = collections.defaultdict(collections.Counter)
    for p in d["profiles"]:
        check(p["type"] == "sampled" and p["unit"] in ("nanoseconds", "bytes", "none"), "speedscope: type and unit")
        check(len(p["samples"]) == len(p["weights"]), "speedscope: as many weights as samples")
        check(sum(p["weights"]) == p["endValue"] - p["startValue"], "speedscope: weights add up")
        for stack, weight in zip(p["samples"], p["weights"]):
            check(not stack or max(stack) < len(frames), "speedscope: a frame out of range")
            if stack:  # else: of no stack
                own[p["name"]][frames[stack[-1]]["name"]] += weight
        totals[p["name"]] = p["endValue"]
    check(0 <= d["activeProfileIndex"] < max(1, len(d["profiles"])), "speedscope: active profile")
    return totals, own


def read_html(path):
    """(header, {measure: total}, {measure: {function: own}}) by decoding the page's data as its script does."""
    text = open(path, encoding="utf-8").read()
    check(len(text) <= 21 << 20, "html: page larger than its bound")
    check(not re.search(r'(?:src|href)="(?!data:)', text), "html: refers to something outside")
    check("default-src 'none'" in text and "'unsafe-inline'" not in text, "html: policy")
    check(text.count("</script>") == 3, "html: script elements")
    header = json.loads(re.search(r'id="meta">(.*?)</script>', text, re.S).group(1))
    raw = zlib.decompress(base64.b64decode(re.search(r'id="data">(.*?)</script>', text, re.S).group(1)), -15)
    stream, at = None, 0

    def number():
        nonlocal at
        value, at = next(varints(raw, at))
        return value

    strings = []
    for _ in range(number()):
        length = number()
        strings.append(raw[at:at + length].decode("utf-8", "replace"))
        at += length
    names = []
    for _ in range(number()):
        names.append(strings[number()])
        for _ in range(5):
            number()
    count = number()
    for i in range(1, count):
        check(0 < number() <= i, "html: parents come first")
    nodes = [None] + [number() for _ in range(1, count)]
    totals, own = {}, collections.defaultdict(collections.Counter)
    for m in header["measures"]:
        for node in nodes:
            value = number()
            value = -(value + 1 >> 1) if value & 1 else value >> 1
            totals[m["word"]] = totals.get(m["word"], 0) + value
            if node:
                own[m["word"]][names[node - 1]] += value
        check(totals[m["word"]] == m["total"], "html: %s differs from the page's header" % m["word"])
    check(at == len(raw), "html: bytes left over")
    return header, totals, own


def read_svg(path):
    root = xml.etree.ElementTree.parse(path).getroot()
    kinds = {e.tag.rpartition("}")[2] for e in root.iter()}
    check(kinds <= {"svg", "title", "style", "defs", "pattern", "path", "circle", "rect", "text", "g"}, "svg: elements %s" % kinds)
    check(float(root.get("width")) == 1200, "svg: width")
    right = [float(e.get("x", 0)) + float(e.get("width")) for e in root.iter() if (e.get("class") or "").startswith("b ")]
    check(not right or max(right) <= 1190.2, "svg: boxes inside the picture")


# ---- comparisons ----

def same(what, a, b, words):
    for word in words:
        check(a.get(word, 0) == b.get(word, 0), "%s: %s is %s, elsewhere %s" % (what, word, a.get(word, 0), b.get(word, 0)))


def compare(directory):
    path = lambda name: os.path.join(directory, name)
    header, totals, own = read_html(path("x.html"))
    words, texts = list(totals), {m["text"]: m["word"] for m in header["measures"]}
    folded = header["folded_nodes"] > 0
    if os.path.exists(path("x.pb.gz")):
        pprof_totals, pprof_own = read_pprof(path("x.pb.gz"))
        same("pprof", pprof_totals, totals, words)
        if words and not folded:
            drop = lambda c: {k or "(no name)": v for k, v in c.items() if v}
            check(drop(pprof_own[words[0]]) == drop(own[words[0]]), "pprof: functions' own values differ from the page's")
    if os.path.exists(path("x.speedscope.json")):
        speedscope = read_speedscope(path("x.speedscope.json"))[0]
        same("speedscope", {texts[name]: v for name, v in speedscope.items()}, totals, words)
    if os.path.exists(path("x.svg")):
        read_svg(path("x.svg"))
    if os.path.exists(path("x.folded")):
        total = sum(int(re.match(r"^(.*) (\d+)$", line).group(2)) for line in open(path("x.folded"), encoding="utf-8"))
        check(total == totals.get(header["measure"], 0), "folded: %d, elsewhere %s" % (total, totals.get(header["measure"])))
    return header, totals


def compare_json(lode, recording, totals):
    for word, total in totals.items():
        run = subprocess.run([lode, "top", "--json", "--measure", word, recording], capture_output=True, text=True)
        if run.returncode:
            continue  # a counter that is no measure of the command line
        answer = json.loads(run.stdout)
        check(answer["total"] == total, "top --json: %s is %s, on the page %s" % (word, answer["total"], total))


def missing_for_pprof():
    return None if shutil.which("go") else "no go"


def judge_pprof(directory):
    for view in ("-raw", "-top"):
        run = subprocess.run(["go", "tool", "pprof", view, os.path.join(directory, "x.pb.gz")], capture_output=True, text=True)
        check(run.returncode == 0, "go tool pprof %s: %s" % (view, run.stderr.strip()))


def missing_for_page():
    has_both = shutil.which("node") and shutil.which(os.environ.get("CHROMIUM", "chromium"))
    return None if has_both else "no chromium and node (apt-get install chromium nodejs)"


def judge_page(directory):
    run = subprocess.run(["node", os.path.join(HERE, "page.mjs"), os.path.join(directory, "x.html")], capture_output=True, text=True)
    check(run.returncode == 0, run.stderr.strip())
    print(run.stdout.strip())


def judges(directory):
    if missing_for_pprof():
        print("skip go tool pprof: " + missing_for_pprof())
    elif os.path.exists(os.path.join(directory, "x.pb.gz")):
        judge_pprof(directory)
    if missing_for_page():
        print("skip the page in a browser: " + missing_for_page())
    else:
        judge_page(directory)


def export(lode, recording, directory):
    for name, suffix in (("speedscope", "speedscope.json"), ("pprof", "pb.gz"), ("folded", "folded")):
        subprocess.run([lode, "export", "--format", name, "-o", os.path.join(directory, "x." + suffix), recording], check=True)
    subprocess.run([lode, "flame", "-o", os.path.join(directory, "x.html"), recording], check=True)
    subprocess.run([lode, "flame", "--svg", "-o", os.path.join(directory, "x.svg"), recording], check=True)


def main():
    if sys.argv[1:2] == ["--directory"]:
        compare(sys.argv[2])
        judges(sys.argv[2])
    else:
        lode, recording = sys.argv[1:3]
        with tempfile.TemporaryDirectory() as directory:
            export(lode, recording, directory)
            compare_json(lode, recording, compare(directory)[1])
            judges(directory)
    print("FAIL" if failures else "ok", "exports")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
