# What every run.sh starts with: LODE, OUT, CC, PYTHON, and the example's own directory as the current one.
set -eu
cd "$(dirname "$0")"
LODE=${LODE:-$PWD/../../build/lode}
OUT=${OUT:-$(mktemp -d)}
CC=${CC:-cc}
PYTHON=${PYTHON:-python3}
case $LODE in */*) ;; *) LODE=$(command -v "$LODE") ;; esac
mkdir -p "$OUT"
trap 'status=$?; [ $status -ne 0 ] || echo "recordings: $OUT" >&2' EXIT
