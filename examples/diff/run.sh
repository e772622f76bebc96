#!/bin/sh
# What did the change cost?
. "$(dirname "$0")/../common.sh"
"$CC" -g -O1 -fno-inline -o "$OUT/report" report.c
"$LODE" record -q -f -o "$OUT/before.lode" -- "$OUT/report"
"$LODE" record -q -f -o "$OUT/after.lode" -- "$OUT/report" after
"$LODE" diff --measure peak "$OUT/before.lode" "$OUT/after.lode"
