/* Rows of a view as JSON and CSV. */
#include "out_rows.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/error.h"
#include "lib/escape.h"

static void put_notices(struct lode_json *j, const struct lode_profile *p)
{
	lode_json_key(j, "notices");
	lode_json_open(j, '[');
	for (size_t i = 0; i < p->notice_count; i++) {
		const struct lode_profile_notice *n = &p->notices[i];
		lode_json_open(j, '{');
		lode_json_put_int(j, "severity", n->severity);
		if (n->process < p->process_count)
			lode_json_put_int(j, "pid", p->processes[n->process].pid);
		lode_json_put_text(j, "text", n->text);
		lode_json_close(j, '}');
	}
	lode_json_close(j, ']');
}

static void put_measures(struct lode_json *j, const struct lode_profile *p)
{
	lode_json_key(j, "measures");
	lode_json_open(j, '{');
	for (int m = 0; m < LODE_MEASURE_COUNT; m++)
		if (p->self[m])
			lode_json_put_int(j, lode_measure_words[m], p->total[m]);
	lode_json_close(j, '}');
}

void lode_json_head(struct lode_json *j, const char *command, const struct lode_profile *p,
		    enum lode_measure m)
{
	lode_json_open(j, '{');
	lode_json_put_text(j, "lode", LODE_VERSION);
	lode_json_put_text(j, "command", command);
	lode_json_put_text(j, "recording", p->title);
	if (m < LODE_MEASURE_COUNT) {
		lode_json_put_text(j, "measure", lode_measure_words[m]);
		lode_json_put_text(j, "unit", lode_measure_units[m]);
		lode_json_put_int(j, "total", p->total[m]);
		lode_json_put_int(j, "total_count", p->total[lode_measure_counter(m)]);
	}
	lode_json_line(j);
	lode_json_put_int(j, "duration_ns", (int64_t)p->duration_ns);
	lode_json_put_int(j, "from_ns", (int64_t)p->from_ns);
	lode_json_put_int(j, "to_ns", (int64_t)p->to_ns);
	lode_json_put_int(j, "at_ns", (int64_t)p->at_ns);
	lode_json_put_int(j, "peak_time_ns", (int64_t)p->peak_time_ns);
	lode_json_put_int(j, "processes", (int64_t)p->process_count);
	lode_json_line(j);
	lode_json_put_int(j, "events", (int64_t)p->events);
	lode_json_put_int(j, "lost_events", (int64_t)p->lost_events);
	lode_json_put_int(j, "lost_samples", (int64_t)p->lost_samples);
	lode_json_put_int(j, "python_dropped", (int64_t)p->python_dropped);
	lode_json_put_int(j, "late_samples", (int64_t)p->stats.late_samples);
	lode_json_put_bool(j, "is_damaged", p->is_truncated);
	lode_json_line(j);
	put_measures(j, p);
	lode_json_line(j);
	put_notices(j, p);
	lode_json_line(j);
}

static void put_name(struct lode_json *j, const struct lode_row *r)
{
	lode_json_put_text(j, "name", r->name);
	lode_json_put_text(j, "file", r->file);
	lode_json_put_int(j, "line", r->line);
	lode_json_put_text(j, "module", r->module);
	lode_json_put_text(j, "kind", lode_frame_kind_words[r->kind]);
}

void lode_json_row_name(struct lode_json *j, const struct lode_view *v, const struct lode_row *r)
{
	put_name(j, r);
	if (v->by == LODE_BY_PROCESS || v->by == LODE_BY_THREAD)
		lode_json_put_int(j, "pid", r->pid);
	if (v->by == LODE_BY_THREAD)
		lode_json_put_int(j, "tid", r->tid);
	if (v->by == LODE_BY_STACK)
		lode_json_stack(j, v->profile, r->node);
}

void lode_json_stack(struct lode_json *j, const struct lode_profile *p, uint32_t node)
{
	lode_json_key(j, "stack");
	lode_json_open(j, '[');
	for (; node; node = p->nodes[node].parent) {
		const struct lode_frame *f = &p->frames[p->nodes[node].frame];
		lode_json_open(j, '{');
		put_name(j, &(struct lode_row){.name = f->name,
					       .file = f->file,
					       .module = f->module,
					       .line = f->line,
					       .kind = f->kind});
		lode_json_close(j, '}');
	}
	lode_json_close(j, ']');
}

void lode_json_rows(struct lode_json *j, const struct lode_view *v, size_t limit)
{
	size_t shown = v->row_count < limit ? v->row_count : limit;
	lode_json_put_text(j, "by", lode_by_words[v->by]);
	lode_json_put_int(j, "shown", (int64_t)shown);
	lode_json_put_int(j, "dropped", (int64_t)(v->row_count - shown));
	lode_json_key(j, "rows");
	lode_json_open(j, '[');
	for (size_t i = 0; i < shown; i++) {
		const struct lode_row *r = &v->rows[i];
		lode_json_line(j);
		lode_json_open(j, '{');
		lode_json_row_name(j, v, r);
		lode_json_put_int(j, "self", r->self);
		lode_json_put_int(j, "total", r->total);
		lode_json_put_int(j, "count", r->count);
		lode_json_put_int(j, "self_count", r->self_count);
		lode_json_close(j, '}');
	}
	lode_json_close(j, ']');
}

/* Control characters are escaped as on a terminal: a row stays one line, and harmless where it is
 * looked at. */
void lode_csv_field(FILE *f, const char *s)
{
	s = s ? s : "";
	if (!s[strcspn(s, ",\"\r\n")]) {
		lode_put_text(f, s);
	} else {
		char *doubled = lode_alloc(2 * strlen(s) + 3), *p = doubled;
		*p++ = '"';
		for (; *s; s++) {
			*p++ = *s;
			if (*s == '"')
				*p++ = '"';
		}
		*p++ = '"';
		*p = 0;
		lode_put_text(f, doubled);
		free(doubled);
	}
}

void lode_csv_rows(FILE *f, const struct lode_view *v, size_t limit)
{
	fputs("name,file,line,module,kind,self,total,count\n", f);
	for (size_t i = 0; i < v->row_count && i < limit; i++) {
		const struct lode_row *r = &v->rows[i];
		lode_csv_field(f, r->name);
		fputc(',', f);
		lode_csv_field(f, r->file);
		fprintf(f, ",%" PRIu32 ",", r->line);
		lode_csv_field(f, r->module);
		fprintf(f, ",%s,%" PRId64 ",%" PRId64 ",%" PRId64 "\n",
			lode_frame_kind_words[r->kind], r->self, r->total, r->count);
	}
}
