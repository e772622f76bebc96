#!/bin/sh
# Installs what building and testing lode needs and this machine lacks, by apt (Debian 12 and its kin).  As root or with sudo;
# otherwise it prints the line to run.  Knows what is missing by looking for a file or command of each package.
set -eu

header() { echo '#include <'"$1"'>' | "${CC:-cc}" -E -x c - >/dev/null 2>&1; }
library() { ls /usr/lib/*/"$1" /usr/lib/"$1" /usr/lib64/"$1" /usr/local/lib/"$1" 2>/dev/null | grep -q .; }
command_exists() { command -v "$1" >/dev/null 2>&1; }

missing=
need() { # PACKAGE test...
	package=$1
	shift
	"$@" || missing="$missing $package"
}

command_exists "${CC:-cc}" || missing=" gcc libc6-dev"
need make command_exists make
need binutils command_exists objcopy
need libunwind-dev header libunwind.h
need libjemalloc-dev library libjemalloc_pic.a
need zlib1g-dev header zlib.h
need libelf-dev header libelf.h
need libdw-dev header elfutils/libdw.h
need libiberty-dev header libiberty/demangle.h
need python3 command_exists python3
if [ "${1:-}" = --tests ]; then
	need g++ command_exists g++
	need libcmocka-dev header cmocka.h
	need libssl-dev header openssl/evp.h
fi

[ -n "$missing" ] || exit 0
line="apt-get install -y --no-install-recommends$missing"
if ! command_exists apt-get; then
	echo "lode: missing, by their Debian names:$missing" >&2
	exit 1
elif [ "$(id -u)" = 0 ]; then
	asroot=
elif command_exists sudo && sudo -n true 2>/dev/null; then
	asroot=sudo
else
	echo "lode: some packages are missing; as root run" >&2
	echo "    $line" >&2
	exit 1
fi
echo "lode: installing$missing"
$asroot env DEBIAN_FRONTEND=noninteractive sh -c "apt-get update -qq && $line -qq >/dev/null"
