/* lode info: what a recording says about itself, without replaying it. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "cmd.h"
#include "info.h"
#include "lib/error.h"
#include "lib/escape.h"
#include "lib/json.h"
#include "out_text.h"
#include "source.h"

static void hex(char *buf, size_t n, const uint8_t *bytes, size_t count)
{
	buf[0] = 0;
	for (size_t i = 0; i < count && 2 * i + 2 < n; i++)
		snprintf(buf + 2 * i, n - 2 * i, "%02x", bytes[i]);
}

/* 0x030b07f0 is 3.11.7; sys.hexversion. */
static const char *python_version(char buf[LODE_UNIT_MAX], uint32_t version)
{
	static const char *const levels[] = {"a", "b", "rc"};
	unsigned level = version >> 4 & 15;
	int n = snprintf(buf, LODE_UNIT_MAX, "%u.%u.%u", version >> 24, version >> 16 & 255,
			 version >> 8 & 255);
	if (level >= 10 && level <= 12)
		snprintf(buf + n, LODE_UNIT_MAX - (size_t)n, "%s%u", levels[level - 10],
			 version & 15);
	return buf;
}

static const char *begin_word(uint32_t begin)
{
	switch ((enum lode_begin)begin) {
	case LODE_BEGIN_START:
		return "started";
	case LODE_BEGIN_FORK:
		return "forked";
	case LODE_BEGIN_EXEC:
		return "exec'ed";
	}
	return "began";
}

static size_t threads_of(const struct lode_info *info, size_t process)
{
	size_t n = 0;
	for (size_t i = 0; i < info->thread_count; i++)
		n += info->threads[i].process == process;
	return n;
}

/* ---- text ------------------------------------------------------------------------------------ */

static void print_header(const struct lode_info *info, bool is_damaged,
			 const struct lode_output *out)
{
	char size[LODE_UNIT_MAX], raw[LODE_UNIT_MAX], duration[LODE_UNIT_MAX], date[32] = "unknown";
	time_t start = (time_t)(info->start_unix_ns / 1000000000u);
	struct tm tm;
	if (info->start_unix_ns && localtime_r(&start, &tm))
		strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S", &tm);
	fputs(lode_style(out, LODE_STYLE_TITLE), out->f);
	lode_put_text(out->f, info->path);
	fprintf(out->f, "%s: %s, %s (%s of records in %" PRIu64 " blocks), began %s, %s long\n",
		lode_style(out, LODE_STYLE_PLAIN), info->is_log ? "log of the agent" : "recording",
		lode_format_bytes(size, (int64_t)info->file_bytes),
		lode_format_bytes(raw, (int64_t)info->raw_bytes), info->block_count, date,
		lode_format_ns(duration, (int64_t)info->duration_ns));
	fprintf(out->f,
		"lost: %" PRIu64 " events, %" PRIu64
		" samples; Python frames dropped on doubt: %" PRIu64 "\n",
		info->lost_events, info->lost_samples, info->python_dropped);
	if (info->first_errno)
		fprintf(out->f, "first failure: %s\n", strerror((int)info->first_errno));
	if (is_damaged)
		fputs("the file is damaged or ends early: this is what could be read\n", out->f);
}

static void print_process(const struct lode_info *info, size_t i, const struct lode_output *out)
{
	const struct lode_info_process *p = &info->processes[i];
	char start[LODE_UNIT_MAX], length[LODE_UNIT_MAX], version[LODE_UNIT_MAX];
	fprintf(out->f, "  %" PRId64 " (parent %" PRId64 ") ", p->pid, p->parent_pid);
	lode_put_text(out->f, *p->command ? p->command : p->executable);
	fprintf(out->f, "\n      %s at %s, %s long, %zu thread%s, %zu modules", begin_word(p->begin),
		lode_format_ns(start, (int64_t)p->start_ns),
		lode_format_ns(length,
			       p->end_ns > p->start_ns ? (int64_t)(p->end_ns - p->start_ns) : 0),
		threads_of(info, i), threads_of(info, i) == 1 ? "" : "s", p->module_count);
	if (p->python_version)
		fprintf(out->f, ", Python %s", python_version(version, p->python_version));
	if (p->exit_status >= 0 && WIFSIGNALED(p->exit_status))
		fprintf(out->f, ", killed by signal %d", WTERMSIG(p->exit_status));
	else if (p->exit_status >= 0)
		fprintf(out->f, ", exit status %d", WEXITSTATUS(p->exit_status));
	if (p->became) {
		fputs(", became ", out->f);
		lode_put_text(out->f, p->became);
	}
	fputs("\n      executable ", out->f);
	lode_put_text(out->f, p->executable);
	if (*p->directory) {
		fputs(", in ", out->f);
		lode_put_text(out->f, p->directory);
	}
	fputs("\n      agent ", out->f);
	lode_put_text(out->f, p->version);
	fputs(", options ", out->f);
	lode_put_text(out->f, *p->options ? p->options : "(defaults)");
	fputc('\n', out->f);
}

static void print_threads(const struct lode_info *info, const struct lode_output *out)
{
	for (size_t i = 0; i < info->thread_count; i++) {
		const struct lode_info_thread *t = &info->threads[i];
		char cpu[LODE_UNIT_MAX];
		fprintf(out->f, "  %" PRId64 "  ", t->tid);
		lode_put_text(out->f, t->name);
		if (t->process < info->process_count)
			fprintf(out->f, ", of %" PRId64, info->processes[t->process].pid);
		if (t->cpu_ns)
			fprintf(out->f, ", CPU %s", lode_format_ns(cpu, (int64_t)t->cpu_ns));
		fputc('\n', out->f);
	}
}

static bool same_module(const struct lode_info_module *a, const struct lode_info_module *b)
{
	return a->build_id_bytes == b->build_id_bytes && !strcmp(a->path, b->path) &&
	       (!a->build_id_bytes || !memcmp(a->build_id, b->build_id, a->build_id_bytes));
}

static int compare_modules(const void *x, const void *y)
{
	const struct lode_info_module *a = *(const struct lode_info_module *const *)x,
				      *b = *(const struct lode_info_module *const *)y;
	int order = strcmp(a->path, b->path);
	if (!order)
		order = a->build_id_bytes < b->build_id_bytes
				? -1
				: a->build_id_bytes > b->build_id_bytes;
	return !order && a->build_id_bytes ? memcmp(a->build_id, b->build_id, a->build_id_bytes)
					   : order;
}

/* Each once, whatever the processes that loaded it; JSON has them all, with their addresses. */
static void print_modules(const struct lode_info *info, const struct lode_output *out)
{
	const struct lode_info_module **all = lode_alloc((info->module_count + 1) *
							 sizeof(const struct lode_info_module *));
	for (size_t i = 0; i < info->module_count; i++)
		all[i] = &info->modules[i];
	qsort(all, info->module_count, sizeof(const struct lode_info_module *), compare_modules);
	for (size_t i = 0, next; i < info->module_count; i = next) {
		char id[80];
		for (next = i + 1; next < info->module_count && same_module(all[i], all[next]);)
			next++;
		hex(id, sizeof(id), all[i]->build_id, all[i]->build_id_bytes);
		fprintf(out->f, "  %-40s %4zu x  ", *id ? id : "(no build-id)", next - i);
		lode_put_text(out->f, all[i]->path);
		fputc('\n', out->f);
	}
	free(all);
}

static void print_notices(const struct lode_info *info, const struct lode_output *out)
{
	for (size_t i = 0; i < info->notice_count; i++) {
		const struct lode_info_notice *n = &info->notices[i];
		char time[LODE_UNIT_MAX];
		fprintf(out->f, "  %s %s ", n->severity ? "!" : "-",
			lode_format_ns(time, (int64_t)n->time_ns));
		if (n->process < info->process_count)
			fprintf(out->f, "%" PRId64 ": ", info->processes[n->process].pid);
		lode_put_text(out->f, n->text);
		fputc('\n', out->f);
	}
}

static void print_marks(const struct lode_info *info, const struct lode_output *out)
{
	for (size_t i = 0; i < info->mark_count; i++) {
		char time[LODE_UNIT_MAX];
		fprintf(out->f, "  %10s  ", lode_format_ns(time, (int64_t)info->marks[i].time_ns));
		lode_put_text(out->f, info->marks[i].name);
		fputc('\n', out->f);
	}
}

static void put_title(const struct lode_output *out, const char *title, size_t count)
{
	fprintf(out->f, "\n%s%s: %zu%s\n", lode_style(out, LODE_STYLE_TITLE), title, count,
		lode_style(out, LODE_STYLE_PLAIN));
}

static void print_text(const struct lode_info *info, bool is_damaged, const struct lode_output *out)
{
	print_header(info, is_damaged, out);
	put_title(out, "Processes", info->process_count);
	for (size_t i = 0; i < info->process_count; i++)
		print_process(info, i, out);
	put_title(out, "Threads", info->thread_count);
	print_threads(info, out);
	put_title(out, "Modules", info->module_count);
	print_modules(info, out);
	put_title(out, "Notices", info->notice_count);
	print_notices(info, out);
	put_title(out, "Marks", info->mark_count);
	print_marks(info, out);
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static int64_t pid_of(const struct lode_info *info, uint32_t process)
{
	return process < info->process_count ? info->processes[process].pid : -1;
}

static void put_header(struct lode_json *j, const struct lode_info *info, bool is_damaged)
{
	lode_json_put_text(j, "recording", info->path);
	lode_json_put_text(j, "kind", info->is_log ? "log" : "packed");
	lode_json_put_int(j, "file_bytes", (int64_t)info->file_bytes);
	lode_json_put_int(j, "raw_bytes", (int64_t)info->raw_bytes);
	lode_json_put_int(j, "blocks", (int64_t)info->block_count);
	lode_json_put_int(j, "start_unix_ns", (int64_t)info->start_unix_ns);
	lode_json_put_int(j, "duration_ns", (int64_t)info->duration_ns);
	lode_json_put_int(j, "lost_events", (int64_t)info->lost_events);
	lode_json_put_int(j, "lost_samples", (int64_t)info->lost_samples);
	lode_json_put_int(j, "python_dropped", (int64_t)info->python_dropped);
	lode_json_put_int(j, "first_errno", info->first_errno);
	lode_json_put_bool(j, "is_damaged", is_damaged);
}

static void put_processes(struct lode_json *j, const struct lode_info *info)
{
	char version[LODE_UNIT_MAX];
	for (size_t i = 0; i < info->process_count; i++) {
		const struct lode_info_process *p = &info->processes[i];
		lode_json_line(j);
		lode_json_open(j, '{');
		lode_json_put_int(j, "pid", p->pid);
		lode_json_put_int(j, "parent_pid", p->parent_pid);
		lode_json_put_int(j, "stream", p->stream);
		lode_json_put_int(j, "parent_stream", p->parent_stream);
		lode_json_put_text(j, "begin", begin_word(p->begin));
		lode_json_put_text(j, "command", p->command);
		lode_json_put_text(j, "executable", p->executable);
		lode_json_put_text(j, "directory", p->directory);
		lode_json_put_text(j, "agent", p->version);
		lode_json_put_text(j, "options", p->options);
		lode_json_put_text(j, "python",
				   p->python_version ? python_version(version, p->python_version)
						     : NULL);
		lode_json_put_text(j, "python_build", p->python_build);
		lode_json_put_text(j, "became", p->became);
		lode_json_put_int(j, "start_ns", (int64_t)p->start_ns);
		lode_json_put_int(j, "end_ns", (int64_t)p->end_ns);
		lode_json_put_int(j, "wait_status", p->exit_status);
		lode_json_put_int(j, "threads", (int64_t)threads_of(info, i));
		lode_json_put_int(j, "modules", (int64_t)p->module_count);
		lode_json_close(j, '}');
	}
}

static void put_threads(struct lode_json *j, const struct lode_info *info)
{
	for (size_t i = 0; i < info->thread_count; i++) {
		const struct lode_info_thread *t = &info->threads[i];
		lode_json_line(j);
		lode_json_open(j, '{');
		lode_json_put_int(j, "tid", t->tid);
		lode_json_put_text(j, "name", t->name);
		lode_json_put_int(j, "pid", pid_of(info, t->process));
		lode_json_put_int(j, "cpu_ns", (int64_t)t->cpu_ns);
		lode_json_put_bool(j, "has_exited", t->has_exited);
		lode_json_close(j, '}');
	}
}

static void put_modules(struct lode_json *j, const struct lode_info *info)
{
	for (size_t i = 0; i < info->module_count; i++) {
		const struct lode_info_module *m = &info->modules[i];
		char id[80];
		hex(id, sizeof(id), m->build_id, m->build_id_bytes);
		lode_json_line(j);
		lode_json_open(j, '{');
		lode_json_put_text(j, "path", m->path);
		lode_json_put_text(j, "build_id", id);
		lode_json_put_int(j, "pid", pid_of(info, m->process));
		lode_json_put_int(j, "start", (int64_t)m->start);
		lode_json_put_int(j, "end", (int64_t)m->end);
		lode_json_put_int(j, "bias", (int64_t)m->bias);
		lode_json_put_int(j, "loaded_ns", (int64_t)m->loaded_ns);
		lode_json_put_bool(j, "is_gone", m->gone_ns != UINT64_MAX);
		lode_json_close(j, '}');
	}
}

static void put_notices(struct lode_json *j, const struct lode_info *info)
{
	for (size_t i = 0; i < info->notice_count; i++) {
		const struct lode_info_notice *n = &info->notices[i];
		lode_json_line(j);
		lode_json_open(j, '{');
		lode_json_put_int(j, "severity", n->severity);
		lode_json_put_int(j, "pid", pid_of(info, n->process));
		lode_json_put_int(j, "time_ns", (int64_t)n->time_ns);
		lode_json_put_text(j, "text", n->text);
		lode_json_close(j, '}');
	}
}

static void put_marks(struct lode_json *j, const struct lode_info *info)
{
	for (size_t i = 0; i < info->mark_count; i++) {
		lode_json_line(j);
		lode_json_open(j, '{');
		lode_json_put_text(j, "name", info->marks[i].name);
		lode_json_put_int(j, "time_ns", (int64_t)info->marks[i].time_ns);
		lode_json_put_int(j, "pid", pid_of(info, info->marks[i].process));
		lode_json_close(j, '}');
	}
}

static void put_list(struct lode_json *j, const char *key, const struct lode_info *info,
		     void (*put)(struct lode_json *, const struct lode_info *))
{
	lode_json_line(j);
	lode_json_key(j, key);
	lode_json_open(j, '[');
	put(j, info);
	lode_json_close(j, ']');
}

static void put_info(struct lode_json *j, const struct lode_info *info, bool is_damaged)
{
	put_header(j, info, is_damaged);
	put_list(j, "processes", info, put_processes);
	put_list(j, "threads", info, put_threads);
	put_list(j, "modules", info, put_modules);
	put_list(j, "notices", info, put_notices);
	put_list(j, "marks", info, put_marks);
}

/* ---- the command ----------------------------------------------------------------------------- */

/* One file's facts; several files are printed one after the other (JSON: "recordings"). */
static int show_file(const char *path, const struct lode_output *out, struct lode_json *j)
{
	struct lode_source *s;
	struct lode_info info;
	if (lode_source_open(path, &s))
		return LODE_STATUS_INPUT;
	lode_info_read(&info, s);
	bool is_damaged = lode_source_is_damaged(s);
	if (j)
		put_info(j, &info, is_damaged);
	else
		print_text(&info, is_damaged, out);
	lode_info_release(&info);
	lode_source_close(s);
	return is_damaged ? LODE_STATUS_INPUT : LODE_STATUS_OK;
}

static int show_all(const struct lode_view_options *o, const struct lode_output *out)
{
	struct lode_json j;
	int status = LODE_STATUS_OK;
	bool is_list = o->files.count > 1;
	lode_json_init(&j, out->f);
	if (o->json) {
		lode_json_open(&j, '{');
		lode_json_put_text(&j, "lode", LODE_VERSION);
		lode_json_put_text(&j, "command", "info");
		if (is_list) {
			lode_json_key(&j, "recordings");
			lode_json_open(&j, '[');
		}
	}
	for (size_t i = 0; i < o->files.count; i++) {
		if (o->json && is_list)
			lode_json_open(&j, '{');
		int one = show_file(o->files.items[i], out, o->json ? &j : NULL);
		status = one ? one : status;
		if (o->json && is_list)
			lode_json_close(&j, '}');
	}
	if (o->json) {
		if (is_list)
			lode_json_close(&j, ']');
		lode_json_close(&j, '}');
		fputc('\n', out->f);
	}
	return status;
}

int lode_cmd_info(int argc, char **argv)
{
	struct lode_view_options o;
	struct lode_output out;
	int status = lode_cmd_parse(&o, argc, argv, 1, 0);
	if (status >= 0)
		return status;
	status = LODE_STATUS_USAGE;
	if (lode_output_open(&out, &o, !o.json) == 0) {
		status = show_all(&o, &out);
		if (lode_output_close(&out))
			status = LODE_STATUS_USAGE;
	}
	lode_view_options_release(&o);
	return status;
}
