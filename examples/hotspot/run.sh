#!/bin/sh
# Which function burns the CPU?
. "$(dirname "$0")/../common.sh"
"$LODE" record -q -f -r 500 -o "$OUT/hotspot.lode" -- "$PYTHON" words.py
"$LODE" top --measure cpu --python -n 5 "$OUT/hotspot.lode"
