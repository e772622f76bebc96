#!/bin/sh
# Tests of preload/python/ on every CPython found: layouts against the headers, known call chains, edges, a storm of
# signals.  B=build directory, CC=compiler, PROBE_SECONDS=length of each storm, PYTHONS=the interpreters to use.
# ROOT=another system's root directory: PYTHONS are paths below it, run by chroot; needs no compiler there.
# The last line is "N passed, N failed".
cd "$(dirname "$0")/../.." || exit 2
B=${B:-build}
CC=${CC:-gcc}
out=$B/tests/python
mkdir -p "$out"
export PROBE_SECONDS="${PROBE_SECONDS:-2}"
unset PYTHONPATH PYTHONHOME PYTHONMALLOC

if [ -z "$PYTHONS" ] && [ -n "$ROOT" ]; then
	PYTHONS=$(cd "$ROOT" && for p in usr/bin/python3.[0-9] usr/bin/python3.[0-9][0-9]; do
		[ -x "$p" ] && echo "/$p"
	done)
elif [ -z "$PYTHONS" ]; then
	for p in "${PYENV_ROOT:-$HOME/.pyenv}"/versions/*/bin/python3 /usr/bin/python3; do
		[ -x "$p" ] && PYTHONS="$PYTHONS $p"
	done
fi

flags="-std=gnu17 -O2 -g -Iinclude -Ipreload -D_GNU_SOURCE -Wall -Wextra -fPIC -fvisibility=hidden
	-ftls-model=initial-exec -fno-stack-protector -fno-omit-frame-pointer -fno-builtin-malloc
	-DLODE_CODE_FIRST_CAPACITY=64u"
sources=
for f in interp image layouts walk walk_signal code utf8 guard; do
	sources="$sources preload/python/$f.c"
done
probe=$out/probe.so
# shellcheck disable=SC2086
$CC $flags -shared -o "$probe" tests/python/probe.c $sources preload/os_linux.c -ldl -lpthread || exit 2
$CC -O1 -o "$out/embed" tests/python/embed.c -ldl -lpthread -rdynamic || exit 2
probe=$(realpath "$probe")
tests=tests/python
embed=$out/embed
if [ -n "$ROOT" ]; then
	tests=/lode-python-tests
	mkdir -p "$ROOT$tests" && cp "$probe" tests/python/*.py "$embed" "$ROOT$tests/" || exit 2
	trap 'rm -r "$ROOT$tests"' EXIT
	mv "$ROOT$tests/probe.so" "$ROOT$tests/preload.so" # next to probe.py it would be imported
	probe=$tests/preload.so
	embed=$tests/embed
fi

passed=0
failed=0

# Adds the "N passed, N failed" that ends what a test printed; a test that does not get there has failed.
tally() { # name, status, output file
	line=$(tail -n 1 "$3")
	case $line in
	*" passed, "*" failed")
		passed=$((passed + ${line%% passed*}))
		line=${line#*, }
		failed=$((failed + ${line%% failed}))
		sed '$d' "$3"
		;;
	*)
		failed=$((failed + 1))
		echo "FAILED $1: ended with status $2"
		tail -n 5 "$3"
		;;
	esac
}

inside() { # command: run in the root, at most two minutes
	timeout 120 ${ROOT:+chroot "$ROOT"} "$@"
}

preloaded() { # command: the same with the probe
	inside env LD_PRELOAD="$probe" PROBE_ON=1 "$@"
}

check_layouts() { # python
	headers=$ROOT$(inside "$1" -c 'import sysconfig; print(sysconfig.get_paths()["platinclude"])')
	[ -f "$headers/internal/pycore_code.h" ] || [ -f "$headers/internal/pycore_pystate.h" ] || return 0
	$CC -w -I"$headers" -I"$headers/internal" -idirafter "$ROOT/usr/include" -Ipreload -o "$out/layouts" tests/python/layouts_check.c \
		preload/python/layouts.c >"$out/log" 2>&1 && "$out/layouts" >"$out/log" 2>&1
	tally "layouts of $1" $? "$out/log"
}

check_exits() { # python: status 0 every time
	for i in 1 2 3 4 5 6; do
		if preloaded "$1" $tests/edges.py exit >"$out/log" 2>&1; then
			passed=$((passed + 1))
		else
			failed=$((failed + 1))
			echo "FAILED $1: exit under signals, status $?"
			tail -n 5 "$out/log"
		fi
	done
}

check_embedded() { # python
	library=$(inside "$1" -c 'import sysconfig as s; print(s.get_config_var("LIBDIR") + "/" + (s.get_config_var("INSTSONAME") or ""))')
	home=$(inside "$1" -c 'import sys; print(sys.prefix)')
	[ -f "$ROOT$library" ] && case $library in *.so*) ;; *) false ;; esac || return 0
	PYTHONHOME=$home preloaded "$embed" "$library" >"$out/log" 2>&1
	tally "late libpython of $1" $? "$out/log"
}

for python in $PYTHONS; do
	minor=$(inside "$python" -c 'import sys; print(sys.version_info[1])')
	if [ "$minor" -lt 8 ]; then
		notice=$(preloaded "$python" -c 'import ctypes; l = ctypes.PyDLL(None)
l.probe_notice.restype = ctypes.c_char_p; print(l.probe_notice().decode())')
		case $notice in
		*"not known to this version of lode: native frames only") passed=$((passed + 1)) ;;
		*) failed=$((failed + 1)); echo "FAILED $python: refused with '$notice'" ;;
		esac
		continue
	fi
	check_layouts "$python"
	for test in chains edges storm; do
		preloaded "$python" $tests/$test.py >"$out/log" 2>&1
		tally "$test.py with $python" $? "$out/log"
	done
	check_exits "$python"
	check_embedded "$python"
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
