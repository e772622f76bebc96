#!/bin/bash
# CPython's own tests with and without lode: every test must end the same way.  Not part of `make test` (minutes).
# Usage: cpython_tests.sh [-k] PYTHON TEST...     e.g. cpython_tests.sh ~/.pyenv/versions/3.12.1/bin/python test_json test_re
#   -k            keep the outputs and recordings (in OUT)
#   LODE_RUNS     the ways to run, words of: default fast cpu memory malloc   (default: "default fast")
#   OUT           directory for outputs; a plain run found there is used again
# Prints a line a run, as tests/README.md says, and above it every test that ended differently.
set -u
LODE=$(realpath "${LODE:-$(dirname "$0")/../../build/lode}")
keep=
[ "${1:-}" = -k ] && { keep=1; shift; }
[ $# -ge 2 ] || { sed -n '3,7s/^# //p' "$0" >&2; exit 2; }
python=$1; shift
OUT=${OUT:-$(mktemp -d /tmp/lode-cpython-XXXXXX)}
mkdir -p "$OUT"
[ -n "$keep" ] || trap 'rm -rf "$OUT"' EXIT
LIMIT=${LIMIT:-180}	# seconds for one test file, ends what hangs

declare -A options=([default]='' [fast]='-r 1000' [cpu]='-r 1000 -M off' [memory]='-r 0' [malloc]='-M malloc')

# Default dispositions: with SIGINT ignored, as in a shell's background job, test_threading never ends.
tests() { # NAME TEST...: runs, under the words of prefix, into NAME.out, NAME.xml and NAME.status
	local name=$1; shift
	local skip=(-i test_non_interactive_output_buffering)	# fails everywhere with redirected streams
	(cd "$OUT" && rm -f "$name.xml" && env --default-signal -u PYTHONPATH -u PYTHONHOME timeout -s KILL $((LIMIT * ($# + 1))) \
		"${prefix[@]}" "$python" -m test -j1 -v --timeout "$LIMIT" --junit-xml="$OUT/$name.xml" "${skip[@]}" "$@") \
		</dev/null >"$OUT/$name.out" 2>&1
	echo $? >"$OUT/$name.status"
}

# Compares two runs test by test; prints the differences.
compare() { # NAME NAME
	(cd "$OUT" && "$python" - "$1" "$2") <<'END'
import re, sys, os, xml.etree.ElementTree as tree

def outcomes(name):
    found = {}
    try:
        for case in tree.parse(name + ".xml").iter("testcase"):
            kinds = sorted({child.tag for child in case} & {"failure", "error", "skipped"})
            found.setdefault(case.get("name"), []).append("+".join(kinds) or "ok")
    except (OSError, tree.ParseError) as error:
        found["junit"] = [type(error).__name__]
    text = open(name + ".out", errors="replace").read()
    for file, word in re.findall(r"^\d+:\d+:\d+ .*?\[ *\d+/\d+(?:/\d+)?\] (test[\w.]+) ?(.*)$", text, re.M):
        word = re.sub(r"\([^)]*(?:\d|\bsec\b)[^)]*\)|--.*|\d+(\.\d+)? (sec|min|ms)", "", word).strip() or "passed"
        found.setdefault("file " + file, []).append(word)
    for line in re.findall(r"^Warning -- .*", text, re.M):
        found.setdefault(re.sub(r"0x[0-9a-f]+|\d+", "N", line)[:150], []).append("said")
    found["exit status"] = [open(name + ".status").read().strip()]
    return found

plain, lode = outcomes(sys.argv[1]), outcomes(sys.argv[2])
different = [k for k in sorted(set(plain) | set(lode)) if sorted(plain.get(k, ["absent"])) != sorted(lode.get(k, ["absent"]))]
for key in different:
    print("  %s: %s, under lode %s" % (key, ",".join(plain.get(key, ["absent"])), ",".join(lode.get(key, ["absent"]))))
print("  %d tests compared, %d differ" % (len(plain), len(different)))
sys.exit(bool(different))
END
}

version=$("$python" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])')
label=$version-$(echo "$*" | cksum | cut -d' ' -f1)
[ -f "$OUT/plain-$label.status" ] || { prefix=(); tests "plain-$label" "$@"; }
failed=0
for run in ${LODE_RUNS:-default fast}; do
	name=$run-$label
	rm -f "$OUT/$name.lode"
	# shellcheck disable=SC2086
	prefix=("$LODE" record -q -f ${options[$run]} -o "$OUT/$name.lode" --)
	tests "$name" "$@"
	if compare "plain-$label" "$name" >"$OUT/$name.diff"; then
		tail -n 1 "$OUT/$name.diff"
		echo "ok cpython $version $run"
	else
		cat "$OUT/$name.diff"
		echo "not ok cpython $version $run: tests end differently under lode"
		failed=1
	fi
done
exit $failed
