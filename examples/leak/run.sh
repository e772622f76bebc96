#!/bin/sh
# What was never freed?
. "$(dirname "$0")/../common.sh"
"$CC" -g -O1 -fno-inline -o "$OUT/sessions" sessions.c
"$LODE" record -q -f -o "$OUT/leak.lode" -- "$OUT/sessions"
"$LODE" leaks "$OUT/leak.lode"
