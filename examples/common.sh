# What every run.sh starts with: LODE, OUT, CC, PYTHON, and the example's own directory as the current one.
set -eu
cd "$(dirname "$0")"
LODE=${LODE:-$PWD/../../build/lode}
OUT=${OUT:-$(mktemp -d)}
CC=${CC:-cc}
# the interpreter itself, not a version manager's shell script in front of it
PYTHON=${PYTHON:-$(python3 -c 'import sys; print(sys.executable)')}
case $LODE in */*) ;; *) LODE=$(command -v "$LODE") ;; esac
[ -x "$LODE" ] || { echo "$LODE is not there: run 'make' first" >&2; exit 1; }
mkdir -p "$OUT"
trap 'status=$?; [ $status -ne 0 ] || echo "recordings: $OUT" >&2' EXIT
