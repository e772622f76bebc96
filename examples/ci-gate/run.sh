#!/bin/sh
# Fail the build when memory grows: check exits with 1 when a limit is exceeded.
. "$(dirname "$0")/../common.sh"
"$LODE" record -q -f -o "$OUT/job.lode" -- "$PYTHON" job.py
"$LODE" check "$OUT/job.lode" --max-peak 100M
echo "a limit of 100 MiB: passed"
if "$LODE" check "$OUT/job.lode" --max-peak 10M; then
	echo "a limit of 10 MiB was not noticed"
	exit 1
else
	echo "a limit of 10 MiB: status $?"
fi
