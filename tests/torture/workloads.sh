#!/bin/bash
# Real programs in miniature: the same output with and without lode.  Each workload is a function that works in the current
# directory and prints what must not change; sizes are small, so that all of them take a minute.
# Usage: workloads.sh [NAME...].  Prints a line a workload, as tests/README.md says.  KEEP=DIR keeps the recordings there.
set -u
LODE=${LODE:-$(dirname "$0")/../../build/lode}
LODE=$(realpath "$LODE")
HERE=$(mktemp -d /tmp/lode-workloads-XXXXXX)
trap '[ -z "${KEEP:-}" ] || cp -r "$HERE/recordings/." "$KEEP"; rm -rf "$HERE"' EXIT
export LC_ALL=C TZ=UTC HOME=$HERE

bash_() {
	local i out=
	for i in $(seq 100); do out+=$(echo "$i $((i * i))"); done
	echo "$out" | cksum
	seq 50000 | awk '{print ($1 * 7919) % 50021}' | sort -n | uniq | wc -l
	mkdir tree && for i in $(seq 40); do echo "file $i" >"tree/$i"; done
	find tree -type f | sort | xargs -P2 -n 5 cat | sort | cksum
	tar -C tree --sort=name --mtime=@0 --owner=0 --group=0 -cf - . | gzip -n | gunzip | cksum
	trap 'echo trapped' USR1
	kill -USR1 $$
	sleep 5 & kill $!; wait $!; echo "waited $?"
	timeout 0.1 sleep 5; echo "timeout $?"
	(exit 7); echo "$? ${PIPESTATUS[*]}"
	cat <(echo one) <(echo two) | tr a-z A-Z
}

sqlite() {
	sqlite3 x.db "PRAGMA journal_mode=WAL;
		CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT, c REAL);
		WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000)
			INSERT INTO t SELECT i, printf('row %d', (i * 7919) % 60013), i / 3.0 FROM n;
		CREATE INDEX u ON t(b);
		SELECT count(*), sum(a), round(avg(c), 3), min(b), max(b) FROM t;
		SELECT b, length(group_concat(a)) FROM t GROUP BY substr(b, 1, 6) ORDER BY 2 DESC, 1 LIMIT 10;
		DELETE FROM t WHERE a % 3 = 0; VACUUM; PRAGMA integrity_check; SELECT count(*) FROM t WHERE b LIKE '%99%';"
}

git_() {
	export GIT_AUTHOR_DATE='2020-01-01T00:00:00Z' GIT_COMMITTER_DATE='2020-01-01T00:00:00Z' GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b \
		GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b GIT_CONFIG_NOSYSTEM=1
	git init -q -b main . && git config gc.auto 0
	local c i
	for c in 1 2 3; do
		for i in $(seq 80); do echo "commit $c file $i $((i * c * 7919))" >>"f$i"; done
		git add . && git commit -q -m "commit $c"
	done
	git checkout -q -b side HEAD~1 && echo side >side && git add side && git commit -q -m side
	git checkout -q main && git merge -q --no-edit side >/dev/null
	git gc -q --aggressive && git fsck --strict 2>&1
	git log --format=%H%s | cksum; git archive HEAD | cksum; git blame f7 | cksum; git grep -c 7919 | cksum
	git clone -q . ../clone 2>&1 && git -C ../clone rev-parse HEAD
}

gcc_() {
	local i
	for i in $(seq 200); do echo "int f$i(int x) { int s = $i; for (int k = 0; k < x; k++) s = s * 31 + k % (x + $i); return s; }"; done >a.c
	{ echo '#include <stdio.h>'; echo 'int main(void) { unsigned s = 0;'
		for i in $(seq 200); do echo "extern int f$i(int); s += f$i($i);"; done
		echo 'printf("%u\n", s); return 0; }'; } >b.c
	gcc -O2 -frandom-seed=1 a.c b.c -o c && ./c && cksum <c
	printf '#include <map>\n#include <string>\n#include <iostream>\nint main() { std::map<std::string, int> m; for (int i = 0; i < 9999; i++) m[std::to_string(i %% 777)] += i; std::cout << m.size() << m["7"] << std::endl; }\n' >d.cc
	g++ -O1 -frandom-seed=1 d.cc -o d && ./d && cksum <d
	gcc -c nothing.c 2>&1; echo $?
}

perl_() {
	perl -e 'my %h; for my $i (1..80000) { my $k = ($i * 7919) % 10007; $h{"k$k"} .= $i if "$k" =~ /^(\d)(\d*)\1$/; }
		my $s = 0; $s += length($h{$_}) for sort keys %h; print scalar(keys %h), " $s\n";
		for (1..10) { my $p = fork; if (!$p) { my @a = map { $_ x 3 } 1..1000; exit(@a % 7); } waitpid $p, 0; print $? >> 8; }
		print `echo backticks`; $SIG{ALRM} = sub { print "alarm\n" }; alarm 1; my $n = select(undef, undef, undef, 3); print "select $n\n";
		$SIG{PROF} = sub { print "prof\n" }; kill PROF => $$; print sprintf("%.6f", sin(1)), "\n";'
}

ruby_() {
	ruby -e 'f = (1..500).map { |i| Fiber.new { 10.times { |k| Fiber.yield i * k }; i } }; s = 0; 11.times { f.each { |x| s += x.resume } }; puts s
		puts 4.times.map { |i| Thread.new { (1..20000).reduce { |a, b| (a * 31 + b) % 1000003 } + i } }.map(&:value).inspect
		def r(n) r(n + 1) end; begin; r(0); rescue SystemStackError; puts "overflow"; end
		GC.start; GC.compact rescue nil; 5.times { |i| pid = fork { exit(Array.new(5000) { |k| "s#{k}" }.size % 7 + i) }; Process.wait(pid); print $?.exitstatus }
		puts `echo backticks`; trap("USR1") { puts "usr1" }; Process.kill("USR1", $$); sleep 0.1'
}

node_() {
	node -e 'const m = new Map(); for (let i = 0; i < 100000; i++) m.set("k" + i % 5003, i); console.log(m.size, m.get("k7"));
		const z = require("zlib"); const b = Buffer.from("lode ".repeat(50000)); console.log(z.gunzipSync(z.gzipSync(b)).equals(b));
		function r(n) { return r(n + 1) + 1 } try { r(0) } catch (e) { console.log(e.constructor.name) }
		console.log(require("child_process").execSync("echo child").toString().trim());
		console.log(require("crypto").pbkdf2Sync("a", "b", 2000, 16, "sha256").toString("hex"));
		const { Worker } = require("worker_threads"); let left = 3, sum = 0;
		for (let i = 0; i < 3; i++) new Worker("let s = 0; for (let i = 0; i < 1e6; i++) s = (s + i * 7) % 1000003; require(\"worker_threads\").parentPort.postMessage(s)", { eval: true })
			.on("message", v => { sum += v; if (--left == 0) console.log(sum) });'
}

gs_() {
	printf '%%!PS\n1 1 6 { /p exch def 0 1 200 { dup 3 mul p 5 mul add exch 2 mul moveto 300 400 lineto stroke } for /Times-Roman findfont 24 scalefont setfont 100 700 moveto (page) show p 10 string cvs show showpage } for\n' >x.ps
	gs -q -dBATCH -dNOPAUSE -sDEVICE=png16m -r40 -sOutputFile=p%d.png x.ps && cat p?.png | cksum
	gs -q -dBATCH -dNOPAUSE -sDEVICE=txtwrite -sOutputFile=- x.ps | cksum
}

ffmpeg_() {
	ffmpeg -v error -nostdin -f lavfi -i testsrc2=size=320x240:rate=25:duration=2 -f lavfi -i sine=duration=2 -threads 4 \
		-flags bitexact -fflags bitexact -c:v mpeg4 -c:a aac -flags:a bitexact -f md5 - && \
	ffmpeg -v error -nostdin -f lavfi -i testsrc2=size=160x120:rate=25:duration=1 -threads 2 -c:v rawvideo -f md5 -
}

# Waits for a server without assuming how long it takes.
until_() {
	local i
	for i in $(seq 300); do "$@" >/dev/null 2>&1 && return 0; sleep 0.1; done
	echo "never: $*"; return 1
}

redis() {
	local cli="redis-cli -s $PWD/r.sock"
	redis-server --port 0 --unixsocket "$PWD/r.sock" --daemonize no --save '' --appendonly no --dir "$PWD" >log 2>&1 & local server=$!
	until_ $cli ping
	redis-benchmark -s "$PWD/r.sock" -q -n 3000 -t set,get,incr,lpush,lpop,sadd,hset,zadd >/dev/null 2>&1; echo "benchmark $?"
	$cli flushall
	for i in $(seq 3000); do printf 'SET key:%d value:%d\r\n' "$i" $((i * 3)); done | $cli --pipe | tail -1
	$cli dbsize; $cli get key:777
	$cli eval 'local s = 0 for i = 1, 1000 do s = s + redis.call("get", "key:" .. i):sub(7) end return s' 0
	$cli config set appendonly yes; $cli bgsave >/dev/null; until_ sh -c "$cli info persistence | grep -q rdb_bgsave_in_progress:0"
	until_ sh -c "$cli info persistence | grep -q aof_rewrite_in_progress:0"
	$cli info persistence | tr -d '\r' | grep -E 'last_(bgsave|bgrewrite)_status'
	$cli shutdown nosave; wait $server; echo "server $?"
	grep -ciE 'crash|signal-handler|assert' log
}

nginx_() {
	mkdir -p logs www tmp && seq 5000 >www/a.txt
	cat >n.conf <<-END
	worker_processes 2; daemon off; pid $PWD/pid; error_log $PWD/logs/error.log; ${NGINX_USER}
	events { worker_connections 128; }
	http { access_log off; gzip on; gzip_types text/plain; client_body_temp_path tmp; proxy_temp_path tmp; fastcgi_temp_path tmp; uwsgi_temp_path tmp; scgi_temp_path tmp;
	server { listen unix:$PWD/n.sock; root $PWD/www; default_type text/plain; location /x { return 200 "hello\n"; } } }
	END
	nginx -p "$PWD" -c "$PWD/n.conf" -e "$PWD/logs/early" & local server=$!
	until_ curl -sf --unix-socket n.sock http://l/x
	local i; for i in $(seq 20); do curl -s --unix-socket n.sock http://l/a.txt http://l/x http://l/none; done | cksum
	curl -s --compressed --unix-socket n.sock http://l/a.txt | cksum
	kill -HUP $server; sleep 0.5; until_ curl -sf --unix-socket n.sock http://l/x
	for i in $(seq 10); do curl -s --unix-socket n.sock http://l/x; done | cksum
	kill -QUIT $server; wait $server; echo "server $?"
	grep -c 'exited on signal' logs/error.log
}

postgres() {
	local bin; bin=$(ls -d /usr/lib/postgresql/*/bin | tail -1)
	export PGHOST=$PWD PGDATA=$PWD/data PGDATABASE=postgres
	"$bin/initdb" -U postgres --no-sync --locale=C -A trust >init.log 2>&1; echo "initdb $?"
	"$bin/pg_ctl" -w -s -o "-c listen_addresses='' -k $PWD -c fsync=off -c jit_above_cost=1000" -l log start; echo "start $?"
	"$bin/pgbench" -U postgres -i -q -s1 >/dev/null 2>&1; echo "init $?"
	"$bin/pgbench" -U postgres -n -c4 -t150 2>&1 | grep -E 'transactions actually|failed'
	psql -U postgres -qAt -c "SELECT sum(abalance) = (SELECT sum(tbalance) FROM pgbench_tellers) FROM pgbench_accounts" \
		-c "CREATE TABLE t AS SELECT i, md5(i::text) m FROM generate_series(1, 30000) i" \
		-c "SET parallel_setup_cost = 0" -c "SET min_parallel_table_scan_size = 0" \
		-c "SELECT count(*), md5(string_agg(a.m, '' ORDER BY a.i)) FROM t a JOIN t b ON a.i = b.i WHERE a.m < '8'"
	"$bin/pg_ctl" -w -s -m fast stop; echo "stop $?"
	grep -cE 'terminated by signal|PANIC' log
}

workload() { # NAME COMMAND [USER]: runs the function plain and under lode and compares
	local name=$1 function=$2 user=${3:-} dir run out rc
	for run in plain lode; do
		dir=$HERE/$name-$run; mkdir -p "$dir/work" "$HERE/recordings"
		local script="cd '$dir/work' && HOME='$dir' NGINX_USER='${NGINX_USER:-}' && $(declare -f until_ "$function"); $function"
		if [ -n "$user" ]; then chmod 755 "$HERE"; chmod 1777 "$HERE/recordings"; chown -R "$user" "$dir"; fi
		local command=(bash -c "$script")
		if [ $run = lode ]; then command=("$LODE" record -q -r 1000 -o "$HERE/recordings/$name.lode" -- "${command[@]}"); fi
		if [ -n "$user" ]; then command=(setpriv --reuid "$user" --regid "$user" --init-groups -- "${command[@]}"); fi
		# the paths differ between the runs, the rest must not
		(cd "$dir/work" && timeout 300 "${command[@]}") </dev/null >"$dir/out" 2>"$dir/err"; rc=$?
		echo "status $rc" >>"$dir/out"
		sed -i "s|$dir|DIR|g" "$dir/out" "$dir/err"
	done
	if ! cmp -s "$HERE/$name-plain/out" "$HERE/$name-lode/out"; then
		diff "$HERE/$name-plain/out" "$HERE/$name-lode/out" | head -10
		head -c 500 "$HERE/$name-lode/err"
		echo "not ok $name: output differs under lode"
	elif ! cmp -s "$HERE/$name-plain/err" "$HERE/$name-lode/err" && [ "$name" != nginx ]; then
		diff "$HERE/$name-plain/err" "$HERE/$name-lode/err" | head -10
		echo "not ok $name: standard error differs under lode"
	elif ! "$LODE" report "$HERE/recordings/$name.lode" >"$HERE/report" 2>&1; then
		head -3 "$HERE/report"
		echo "not ok $name: the recording cannot be read"
	elif ! head -n 1 "$HERE/report" | grep -q ' lost 0$'; then
		head -n 1 "$HERE/report"
		echo "not ok $name: events were lost"
	else
		echo "ok $name"
	fi
	rm -rf "$HERE/$name-plain" "$HERE/$name-lode" "$HERE/clone"
}

wanted() { [ $# -eq 1 ] && return 0; local n=$1; shift; case " $* " in *" $n "*) return 0;; esac; return 1; }

each() { # NAME TOOL FUNCTION [USER]
	wanted "$1" "${names[@]}" || return 0
	if [ -n "${LODE_TEST_KEYWORD:-}" ] && ! [[ "torture/workloads: $1" =~ $LODE_TEST_KEYWORD ]]; then return 0; fi
	if command -v "$2" >/dev/null || ls $2 >/dev/null 2>&1; then workload "$1" "$3" "${4:-}"; else echo "skip $1: $2 is not installed"; fi
}

names=("$@")
as_postgres=
if [ "$(id -u)" = 0 ]; then as_postgres=postgres; NGINX_USER='user root;'; fi
each bash bash bash_
each sqlite sqlite3 sqlite
each git git git_
each gcc g++ gcc_
each perl perl perl_
each ruby ruby ruby_
each node node node_
each gs gs gs_
each ffmpeg ffmpeg ffmpeg_
each redis redis-server redis
if command -v curl >/dev/null; then each nginx nginx nginx_; else echo "skip nginx: curl is not installed"; fi
each postgres '/usr/lib/postgresql/*/bin/initdb' postgres "$as_postgres"
