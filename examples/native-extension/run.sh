#!/bin/sh
# Is it my code, the interpreter, or the C library under it?  One recording has both kinds of frames in one stack.
. "$(dirname "$0")/../common.sh"
"$LODE" record -f -o "$OUT/app.lode" -- "$PYTHON" app.py
"$LODE" report "$OUT/app.lode"
"$LODE" flame -o "$OUT/app.html" "$OUT/app.lode"
echo "flame graph: $OUT/app.html"
