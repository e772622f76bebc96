#!/bin/sh
# A parent and its workers are one recording; figures by process, then of one function over all of them.
. "$(dirname "$0")/../common.sh"
"$LODE" record -q -f -r 500 -o "$OUT/server.lode" -- "$PYTHON" server.py
"$LODE" top --by process --measure cpu "$OUT/server.lode"
"$LODE" top --python --measure cpu -n 3 "$OUT/server.lode"
