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

/* The parts in their order; --measure chooses one, of any measure. */
static const enum lode_measure parts[] = {LODE_MEASURE_CPU, LODE_MEASURE_PEAK, LODE_MEASURE_LEAKED};

enum { TOP_ROWS = 8, LINE_ROWS = 5, LEAK_ROWS = 5, PROCESS_ROWS = 4, NOTICE_ROWS = 6 };
enum { COMMAND_COLUMNS = 100 }; /* of a command line; --json and lode info have all of it */

static bool has(const struct lode_profile *p, enum lode_measure m)
{
	return p->self[m] && p->total[m] > 0;
}

/* ---- text ------------------------------------------------------------------------------------ */

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
		bool is_narrow = out->width && out->width / 2 < COMMAND_COLUMNS;
		fprintf(out->f, "  %" PRId64 "  ", r->pid);
		lode_put_beginning(out->f,
				   r->command && *r->command ? r->command
				   : r->executable           ? r->executable
							     : "?",
				   is_narrow ? out->width / 2 : COMMAND_COLUMNS);
		if (r->cpu_ns)
			fprintf(out->f, ", CPU %s", lode_format_ns(cpu, (int64_t)r->cpu_ns));
		if (r->peak_bytes)
			fprintf(out->f, ", peak %s",
				lode_format_bytes(peak, (int64_t)r->peak_bytes));
		put_exit(out, r->exit_status);
		fputc('\n', out->f);
	}
	if (shown < p->process_count)
		fprintf(out->f, "  and %zu more process%s; see lode info\n",
			p->process_count - shown, p->process_count - shown == 1 ? "" : "es");
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

static enum lode_by by_of(const struct lode_view_options *o, enum lode_measure m)
{
	if (o->by >= 0)
		return (enum lode_by)o->by;
	return m == LODE_MEASURE_CPU || m == LODE_MEASURE_SAMPLES || m == LODE_MEASURE_WALL
		       ? LODE_BY_FUNCTION
		       : LODE_BY_SITE;
}

static void put_part_title(const struct lode_output *out, const struct lode_profile *p,
			   enum lode_measure m, enum lode_by by)
{
	char value[LODE_UNIT_MAX], time[LODE_UNIT_MAX], bytes[LODE_UNIT_MAX], count[LODE_UNIT_MAX];
	char processes[64] = "";
	if (p->process_count > 1)
		snprintf(processes, sizeof(processes), " at the ends of %zu processes",
			 p->process_count);
	lode_format_unit(value, lode_measure_units[m], p->total[m]);
	fprintf(out->f, "\n%s", lode_style(out, LODE_STYLE_TITLE));
	if (m == LODE_MEASURE_PEAK)
		fprintf(out->f,
			"Memory: peak %s at %s (%s allocated in %s allocations); live at the peak, by %s",
			value, lode_format_ns(time, (int64_t)p->peak_time_ns),
			lode_format_bytes(bytes, p->total[LODE_MEASURE_ALLOCATED]),
			lode_format_count(count, p->total[LODE_MEASURE_ALLOCATIONS]),
			lode_by_words[by]);
	else if (m == LODE_MEASURE_LEAKED)
		fprintf(out->f,
			"Not freed: %s%s, by %s (by stack, with age and growth: lode leaks)", value,
			processes, lode_by_words[by]);
	else if (m == LODE_MEASURE_CPU)
		fprintf(out->f, "CPU time %s, by %s", value, lode_by_words[by]);
	else
		fprintf(out->f, "%s: %s, by %s", lode_measure_texts[m], value, lode_by_words[by]);
	fprintf(out->f, "%s\n", lode_style(out, LODE_STYLE_PLAIN));
}

/* The page is short: what only calls others can go. */
static void drop_callers(struct lode_view *v, const struct lode_view_options *o)
{
	while (o->limit < 0 && o->sort < 0 && v->row_count && !v->rows[v->row_count - 1].self)
		v->row_count--;
}

/* Where in the Python code the time goes, whatever native code it runs; nothing without Python. */
static void print_lines(const struct lode_profile *p, const struct lode_view_options *o,
			const struct lode_output *out)
{
	struct lode_view v;
	lode_view_init(&v, p, LODE_MEASURE_CPU, LODE_BY_PYTHON_LINE);
	if (o->sort >= 0)
		lode_view_sort(&v, (enum lode_sort)o->sort);
	drop_callers(&v, o);
	if (v.row_count) {
		fprintf(out->f, "\n%sCPU by Python line%s\n", lode_style(out, LODE_STYLE_TITLE),
			lode_style(out, LODE_STYLE_PLAIN));
		lode_page_rows(out, &v, lode_page_limit(o, LINE_ROWS));
	}
	lode_view_release(&v);
}

static void print_part(const struct lode_profile *p, const struct lode_view_options *o,
		       const struct lode_output *out, enum lode_measure m)
{
	struct lode_view v;
	bool is_one_of_many = m == LODE_MEASURE_LEAKED && o->measure < 0;
	put_part_title(out, p, m, by_of(o, m));
	lode_view_init(&v, p, m, by_of(o, m));
	if (o->sort >= 0)
		lode_view_sort(&v, (enum lode_sort)o->sort);
	drop_callers(&v, o);
	lode_page_rows(out, &v, lode_page_limit(o, is_one_of_many ? LEAK_ROWS : TOP_ROWS));
	lode_page_late(out, p, m);
	lode_view_release(&v);
}

static void print_notices(const struct lode_profile *p, const struct lode_output *out)
{
	size_t shown = p->notice_count < NOTICE_ROWS ? p->notice_count : NOTICE_ROWS;
	if (!p->notice_count)
		return;
	fprintf(out->f, "\n%sNotices%s\n", lode_style(out, LODE_STYLE_TITLE),
		lode_style(out, LODE_STYLE_PLAIN));
	for (size_t i = 0; i < shown; i++) {
		bool is_missing = p->notices[i].severity > 0;
		fprintf(out->f, "%s  %s ", is_missing ? lode_style(out, LODE_STYLE_WARM) : "",
			is_missing ? "!" : "-");
		lode_put_text(out->f, p->notices[i].text);
		fprintf(out->f, "%s\n", is_missing ? lode_style(out, LODE_STYLE_PLAIN) : "");
	}
	if (shown < p->notice_count)
		fprintf(out->f, "  and %zu more; --json shows all\n", p->notice_count - shown);
}

static void print_parts(const struct lode_profile *p, const struct lode_view_options *o,
			const struct lode_output *out)
{
	size_t shown = 0;
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		if (!has(p, parts[i]))
			continue;
		print_part(p, o, out, parts[i]);
		if (parts[i] == LODE_MEASURE_CPU && o->by < 0)
			print_lines(p, o, out);
		shown++;
	}
	if (!shown)
		fputs("\nneither CPU time nor memory is in this recording (or in the part that was "
		      "asked for)\n",
		      out->f);
}

static void print_text(const struct lode_profile *p, const struct lode_view_options *o,
		       const struct lode_output *out)
{
	print_head(p, out);
	if (o->measure >= 0)
		print_part(p, o, out, lode_cmd_measure(o, p));
	else
		print_parts(p, o, out);
	print_notices(p, out);
	fputc('\n', out->f);
	lode_page_lost(out, p);
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static void put_part(struct lode_json *j, const struct lode_profile *p,
		     const struct lode_view_options *o, const char *name, enum lode_measure m,
		     enum lode_by by)
{
	struct lode_view v;
	if (!p->self[m])
		return;
	lode_view_init(&v, p, m, by);
	lode_json_line(j);
	lode_json_key(j, name);
	lode_json_open(j, '{');
	lode_json_put_text(j, "unit", lode_measure_units[m]);
	lode_json_put_int(j, "total", p->total[m]);
	lode_json_rows(j, &v, lode_page_limit(o, TOP_ROWS));
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

/* "rows" are those of the measure, or the default one, as in top; the parts stand beside it under
 * their measures' words. */
static void print_json(const struct lode_profile *p, const struct lode_view_options *o, FILE *f)
{
	struct lode_json j;
	struct lode_view v;
	enum lode_measure m = lode_cmd_measure(o, p);
	lode_json_init(&j, f);
	lode_json_head(&j, "report", p, m);
	lode_json_put_int(&j, "start_unix_ns", (int64_t)p->start_unix_ns);
	put_processes(&j, p);
	lode_json_line(&j);
	lode_json_key(&j, "parts");
	lode_json_open(&j, '{');
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		put_part(&j, p, o, lode_measure_words[parts[i]], parts[i], by_of(o, parts[i]));
	put_part(&j, p, o, "cpu_by_python_line", LODE_MEASURE_CPU, LODE_BY_PYTHON_LINE);
	lode_json_close(&j, '}');
	lode_json_line(&j);
	lode_view_init(&v, p, m, o->by < 0 ? LODE_BY_FUNCTION : (enum lode_by)o->by);
	if (o->sort >= 0)
		lode_view_sort(&v, (enum lode_sort)o->sort);
	lode_json_rows(&j, &v, lode_page_limit(o, TOP_ROWS));
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
