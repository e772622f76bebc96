/* lode report: what matters, on one terminal page.  Parts that the recording does not hold are left
 * out. Memory is shown by site: an allocator's own frames are the leaf of every allocation and say
 * nothing. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "cmd.h"
#include "lib/escape.h"
#include "out_rows.h"
#include "page.h"

enum { TOP_ROWS = 10, LEAK_ROWS = 5, PROCESS_ROWS = 4, NOTICE_ROWS = 6 };

static bool has(const struct lode_profile *p, enum lode_measure m)
{
	return p->self[m] && p->total[m] > 0;
}

/* ---- text ------------------------------------------------------------------------------------ */

static void put_title(const struct lode_output *out, const char *format, const char *value)
{
	fprintf(out->f, "\n%s", lode_style(out, LODE_STYLE_TITLE));
	fprintf(out->f, format, value);
	fprintf(out->f, "%s\n", lode_style(out, LODE_STYLE_PLAIN));
}

static void put_exit(const struct lode_output *out, int status)
{
	if (status < 0)
		return;
	if (WIFSIGNALED(status))
		fprintf(out->f, ", killed by signal %d (%s)", WTERMSIG(status),
			strsignal(WTERMSIG(status)));
	else if (WIFEXITED(status) && WEXITSTATUS(status))
		fprintf(out->f, ", exit status %d", WEXITSTATUS(status));
}

static void print_processes(const struct lode_profile *p, const struct lode_output *out)
{
	size_t shown = p->process_count < PROCESS_ROWS ? p->process_count : PROCESS_ROWS;
	for (size_t i = 0; i < shown; i++) {
		const struct lode_profile_process *r = &p->processes[i];
		char cpu[LODE_UNIT_MAX], peak[LODE_UNIT_MAX];
		fprintf(out->f, "  %" PRId64 "  ", r->pid);
		lode_put_fitting(out->f,
				 r->command && *r->command ? r->command
				 : r->executable           ? r->executable
							   : "?",
				 out->width ? out->width / 2 : 0, out->has_utf8);
		if (r->cpu_ns)
			fprintf(out->f, ", CPU %s", lode_format_ns(cpu, (int64_t)r->cpu_ns));
		if (r->peak_bytes)
			fprintf(out->f, ", peak %s",
				lode_format_bytes(peak, (int64_t)r->peak_bytes));
		put_exit(out, r->exit_status);
		fputc('\n', out->f);
	}
	if (shown < p->process_count)
		fprintf(out->f, "  and %zu more processes; see lode info\n",
			p->process_count - shown);
}

static void print_head(const struct lode_profile *p, const struct lode_output *out)
{
	char duration[LODE_UNIT_MAX], events[LODE_UNIT_MAX], samples[LODE_UNIT_MAX], date[32] = "";
	time_t start = (time_t)(p->start_unix_ns / 1000000000u);
	struct tm tm;
	if (p->start_unix_ns && localtime_r(&start, &tm))
		strftime(date, sizeof(date), ", %Y-%m-%d %H:%M:%S", &tm);
	fputs(lode_style(out, LODE_STYLE_TITLE), out->f);
	lode_put_text(out->f, p->title ? p->title : "recording");
	fprintf(out->f, "%s: %s%s, %s events", lode_style(out, LODE_STYLE_PLAIN),
		lode_format_ns(duration, (int64_t)p->duration_ns), date,
		lode_format_count(events, (int64_t)p->events));
	if (p->self[LODE_MEASURE_SAMPLES])
		fprintf(out->f, ", %s samples",
			lode_format_count(samples, p->total[LODE_MEASURE_SAMPLES]));
	fprintf(out->f, ", lost %s\n",
		lode_format_count(events, (int64_t)(p->lost_events + p->lost_samples)));
	print_processes(p, out);
}

static void print_part(const struct lode_profile *p, const struct lode_output *out,
		       enum lode_measure m, enum lode_by by, size_t rows)
{
	struct lode_view v;
	lode_view_init(&v, p, m, by);
	lode_page_rows(out, &v, rows);
	lode_view_release(&v);
}

static void print_cpu(const struct lode_profile *p, const struct lode_output *out, size_t rows)
{
	char value[LODE_UNIT_MAX];
	put_title(out, "CPU time %s, by function",
		  lode_format_ns(value, p->total[LODE_MEASURE_CPU]));
	print_part(p, out, LODE_MEASURE_CPU, LODE_BY_FUNCTION, rows);
}

static void print_memory(const struct lode_profile *p, const struct lode_output *out, size_t rows)
{
	char value[LODE_UNIT_MAX], bytes[LODE_UNIT_MAX], count[LODE_UNIT_MAX],
		text[3 * LODE_UNIT_MAX + 64];
	lode_format_bytes(value, p->total[LODE_MEASURE_PEAK]);
	snprintf(text, sizeof(text), "%s at %s (%s allocated in %s allocations)", value,
		 lode_format_ns((char[LODE_UNIT_MAX]){0}, (int64_t)p->peak_time_ns),
		 lode_format_bytes(bytes, p->total[LODE_MEASURE_ALLOCATED]),
		 lode_format_count(count, p->total[LODE_MEASURE_ALLOCATIONS]));
	put_title(out, "Memory: peak %s; live at the peak", text);
	print_part(p, out, LODE_MEASURE_PEAK, LODE_BY_SITE, rows);
}

static void print_leaks(const struct lode_profile *p, const struct lode_output *out, size_t rows)
{
	char value[LODE_UNIT_MAX];
	put_title(out, "Not freed: %s (by stack, with age and growth: lode leaks)",
		  lode_format_bytes(value, p->total[LODE_MEASURE_LEAKED]));
	print_part(p, out, LODE_MEASURE_LEAKED, LODE_BY_SITE, rows);
}

static void print_notices(const struct lode_profile *p, const struct lode_output *out)
{
	size_t shown = p->notice_count < NOTICE_ROWS ? p->notice_count : NOTICE_ROWS;
	if (!p->notice_count)
		return;
	put_title(out, "Notices%s", "");
	for (size_t i = 0; i < shown; i++) {
		bool is_missing = p->notices[i].severity > 0;
		fprintf(out->f, "%s  %s ", is_missing ? lode_style(out, LODE_STYLE_WARM) : "",
			is_missing ? "!" : "-");
		lode_put_text(out->f, p->notices[i].text);
		fprintf(out->f, "%s\n", is_missing ? lode_style(out, LODE_STYLE_PLAIN) : "");
	}
	if (shown < p->notice_count)
		fprintf(out->f, "  and %zu more; see lode info\n", p->notice_count - shown);
}

static void print_text(const struct lode_profile *p, const struct lode_view_options *o,
		       const struct lode_output *out)
{
	size_t top = lode_page_limit(o, TOP_ROWS), leaks = lode_page_limit(o, LEAK_ROWS);
	print_head(p, out);
	if (has(p, LODE_MEASURE_CPU))
		print_cpu(p, out, top);
	if (has(p, LODE_MEASURE_PEAK))
		print_memory(p, out, top);
	if (has(p, LODE_MEASURE_LEAKED))
		print_leaks(p, out, leaks);
	if (!has(p, LODE_MEASURE_CPU) && !has(p, LODE_MEASURE_PEAK))
		fputs("\nneither CPU time nor memory is in this recording (or in the part that was "
		      "asked for)\n",
		      out->f);
	print_notices(p, out);
	fputc('\n', out->f);
	lode_page_losses(out, p);
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static void put_part(struct lode_json *j, const struct lode_profile *p, enum lode_measure m,
		     enum lode_by by, size_t rows)
{
	struct lode_view v;
	if (!p->self[m])
		return;
	lode_view_init(&v, p, m, by);
	lode_json_line(j);
	lode_json_key(j, lode_measure_words[m]);
	lode_json_open(j, '{');
	lode_json_put_text(j, "unit", lode_measure_units[m]);
	lode_json_put_int(j, "total", p->total[m]);
	lode_json_rows(j, &v, rows);
	lode_json_close(j, '}');
	lode_view_release(&v);
}

static void put_processes(struct lode_json *j, const struct lode_profile *p)
{
	lode_json_key(j, "process_rows");
	lode_json_open(j, '[');
	for (size_t i = 0; i < p->process_count; i++) {
		const struct lode_profile_process *r = &p->processes[i];
		lode_json_line(j);
		lode_json_open(j, '{');
		lode_json_put_int(j, "pid", r->pid);
		lode_json_put_int(j, "parent_pid", r->parent_pid);
		lode_json_put_text(j, "command", r->command);
		lode_json_put_text(j, "executable", r->executable);
		lode_json_put_int(j, "start_ns", (int64_t)r->start_ns);
		lode_json_put_int(j, "end_ns", (int64_t)r->end_ns);
		lode_json_put_int(j, "wait_status", r->exit_status);
		lode_json_put_int(j, "cpu_ns", (int64_t)r->cpu_ns);
		lode_json_put_int(j, "peak_bytes", (int64_t)r->peak_bytes);
		lode_json_close(j, '}');
	}
	lode_json_close(j, ']');
}

/* "rows" are those of the default measure, as in top; the parts stand beside it under their
 * measures' words. */
static void print_json(const struct lode_profile *p, const struct lode_view_options *o, FILE *f)
{
	struct lode_json j;
	struct lode_view v;
	enum lode_measure m = lode_cmd_measure(o, p);
	size_t rows = lode_page_limit(o, TOP_ROWS);
	lode_json_init(&j, f);
	lode_json_head(&j, "report", p, m);
	lode_json_put_int(&j, "start_unix_ns", (int64_t)p->start_unix_ns);
	put_processes(&j, p);
	lode_json_line(&j);
	lode_json_key(&j, "parts");
	lode_json_open(&j, '{');
	put_part(&j, p, LODE_MEASURE_CPU, LODE_BY_FUNCTION, rows);
	put_part(&j, p, LODE_MEASURE_PEAK, LODE_BY_SITE, rows);
	put_part(&j, p, LODE_MEASURE_LEAKED, LODE_BY_SITE, rows);
	lode_json_close(&j, '}');
	lode_json_line(&j);
	lode_view_init(&v, p, m, LODE_BY_FUNCTION);
	lode_json_rows(&j, &v, rows);
	lode_view_release(&v);
	lode_json_close(&j, '}');
	fputc('\n', f);
}

static void print(const struct lode_profile *p, const struct lode_view_options *o,
		  const struct lode_output *out)
{
	if (o->json)
		print_json(p, o, out->f);
	else
		print_text(p, o, out);
}

int lode_cmd_report(int argc, char **argv)
{
	struct lode_view_options o;
	int status = lode_cmd_parse(&o, argc, argv, 1, 0);
	return status >= 0 ? status : lode_cmd_show(&o, print);
}
