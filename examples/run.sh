#!/bin/bash
# Runs every example and looks for what its expected.txt promises: one "ok" or "not ok" line each (tests/run reads them).
cd "$(dirname "$0")" || exit 1
for folder in */; do
	name=${folder%/}
	[ -x "$name/run.sh" ] || continue
	case $name in *"${LODE_TEST_KEYWORD:-}"*) ;; *) continue ;; esac
	out=$(mktemp -d)
	if ! OUT=$out "$name/run.sh" >"$out/output" 2>&1; then
		echo "not ok $name: run.sh failed"
		cat "$out/output"
	elif missing=$(sed -n 's/^expect: //p' "$name/expected.txt" | while IFS= read -r pattern; do
		grep -Eq -- "$pattern" "$out/output" || echo "'$pattern'"
	done) && [ -n "$missing" ]; then
		echo "not ok $name: no line matches" $missing
		cat "$out/output"
	else
		echo "ok $name"
	fi
	rm -rf "$out"
done
