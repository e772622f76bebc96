#!/bin/sh
# make demo, after everything is built: records a real Python program that works in C libraries, shows the report and leaves
# the flame graph as one page.  LODE: the lode to use; OUT: where recording and page go.
set -eu
cd "$(dirname "$0")"
LODE=${LODE:-$PWD/../build/lode} OUT=${OUT:-$PWD/../build/demo}
# the interpreter itself, not a version manager's shell script in front of it
PYTHON=${PYTHON:-$(python3 -c 'import sys; print(sys.executable)')}
mkdir -p "$OUT"
echo "\$ lode record -- python3 app.py"
(cd native-extension && "$LODE" record -f -o "$OUT/app.lode" -- "$PYTHON" app.py)
echo
echo "\$ lode report app.lode"
"$LODE" report "$OUT/app.lode"
"$LODE" flame -o "$OUT/app.html" "$OUT/app.lode"
echo
echo "The recording:    $OUT/app.lode"
echo "The flame graph:  $OUT/app.html   (one file, opens in any browser, needs no network)"
