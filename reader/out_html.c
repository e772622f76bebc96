/* The flame graph page: one file that works from a disk without any network.
 *
 * The page is html/viewer.html with its @WORDS@ replaced: style and script as they are, the
 * recording as a small JSON header and as columns of varints, deflated and in base64, which the
 * script inflates (DecompressionStream).  Names reach the page inside the deflated columns, as JSON
 * escaped for a script element, or as escaped XML; scripts run by a nonce only, so that markup in a
 * name would have no right to run even if it were parsed. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "flame_tree.h"
#include "lib/error.h"
#include "lib/escape.h"
#include "lib/intern.h"
#include "lib/json.h"
#include "lib/zip.h"
#include "out.h"
#include "view.h"

#define PAGE_BYTES_MAX (20u << 20) /* of a page; beyond, small boxes are folded */
#define FOLD_FIRST     1e-6
#define FOLD_STEP      1.5
#define PLAIN_ROWS     20u /* of the table for readers without JavaScript */
#define NOTICES_MAX    100u
#define POINTS_MAX     1000u

extern const char lode_html_page[], lode_html_page_end[]; /* html/assets.S */
extern const char lode_html_style[], lode_html_style_end[];
extern const char lode_html_script[], lode_html_script_end[];

struct bytes {
	unsigned char *data;
	size_t count, capacity;
};

struct page {
	const struct lode_profile *profile;
	const struct lode_out_options *options;
	struct lode_flame_tree *tree;
	double folded_below;
	struct lode_deflater *deflater;
	struct bytes packed;
	uint32_t raw_crc;
	FILE *f;
};

static void put_bytes(struct bytes *b, const void *data, size_t count)
{
	if (b->count + count > b->capacity) {
		b->capacity = (b->count + count) * 2 + 4096;
		b->data = lode_realloc(b->data, b->capacity);
	}
	memcpy(b->data + b->count, data, count);
	b->count += count;
}

static void put_varint(struct bytes *b, uint64_t v)
{
	unsigned char buf[10];
	size_t n = 0;

	for (; v >= 128; v >>= 7)
		buf[n++] = (unsigned char)(v | 128);
	buf[n++] = (unsigned char)v;
	put_bytes(b, buf, n);
}

static uint64_t zigzag(int64_t v)
{
	return (uint64_t)v << 1 ^ (v < 0 ? UINT64_MAX : 0);
}

/* ---- columns -------------------------------------------------------------------------------- */

/* Strings, then the frames that name them. */
static void put_frames(struct bytes *b, const struct page *page)
{
	struct lode_intern_strings strings = { 0 };
	struct bytes frames = { 0 };

	for (size_t i = 0; i < page->tree->function_count; i++) {
		const struct lode_frame *f = &page->profile->frames[page->tree->functions[i]];

		put_varint(&frames, lode_intern_string(&strings, f->name));
		put_varint(&frames, lode_intern_string(&strings, f->file));
		put_varint(&frames, lode_intern_string(&strings, f->module));
		put_varint(&frames, f->line);
		put_varint(&frames, f->first_line);
		put_varint(&frames, f->kind);
	}
	put_varint(b, strings.count);
	for (size_t i = 0; i < strings.count; i++) {
		put_varint(b, strlen(strings.strings[i]));
		put_bytes(b, strings.strings[i], strlen(strings.strings[i]));
	}
	put_varint(b, page->tree->function_count);
	if (frames.count)
		put_bytes(b, frames.data, frames.count);
	free(frames.data);
	lode_intern_strings_release(&strings);
}

/* Parents as distances, frames + 1 (0: folded), then one column for each measure of the header. */
static void put_nodes(struct bytes *b, const struct page *page)
{
	const struct lode_flame_tree *t = page->tree;

	put_varint(b, t->node_count);
	for (size_t i = 1; i < t->node_count; i++)
		put_varint(b, i - t->nodes[i].parent);
	for (size_t i = 1; i < t->node_count; i++)
		put_varint(b, t->nodes[i].function == LODE_FLAME_OTHER
				      ? 0
				      : (uint64_t)t->nodes[i].function + 1);
	for (int m = 0; m < LODE_MEASURE_COUNT; m++) {
		if (!lode_flame_has(page->profile, m))
			continue;
		for (size_t i = 0; i < t->node_count; i++)
			put_varint(b, zigzag(t->self[m][i]));
	}
}

static void put_packed(void *to, const void *data, size_t bytes)
{
	put_bytes(to, data, bytes);
}

static int pack(struct page *page)
{
	struct bytes raw = { 0 };

	if (!page->deflater)
		page->deflater = lode_deflater_new(LODE_ZIP_RAW, 6);
	if (!page->deflater)
		return lode_error("cannot compress the page: no memory");
	put_frames(&raw, page);
	put_nodes(&raw, page);
	page->raw_crc = lode_crc32(0, raw.data, raw.count);
	page->packed.count = 0;
	lode_deflate_piece(page->deflater, raw.data, raw.count, true, put_packed, &page->packed);
	free(raw.data);
	return 0;
}

/* Packs; as long as the page is too large, folds as many of the smallest boxes as the excess asks
 * for. */
static int pack_within(struct page *page)
{
	double fraction = page->options->min_fraction;
	size_t budget = PAGE_BYTES_MAX / 4 * 3;

	if (fraction > 0) {
		lode_flame_tree_fold(page->tree, fraction, LODE_MEASURE_COUNT);
		page->folded_below = fraction;
	}
	if (pack(page))
		return -1;
	for (int round = 0; page->packed.count > budget && round < 20; round++) {
		size_t want = (size_t)((double)page->tree->node_count * (double)budget /
				       (double)page->packed.count * 0.9);

		fraction = fraction > FOLD_FIRST ? fraction * FOLD_STEP : FOLD_FIRST;
		while (fraction < 0.01 &&
		       lode_flame_tree_kept(page->tree, fraction, LODE_MEASURE_COUNT) > want)
			fraction *= FOLD_STEP;
		lode_flame_tree_fold(page->tree, fraction, LODE_MEASURE_COUNT);
		page->folded_below = fraction;
		if (pack(page))
			return -1;
	}
	return 0;
}

/* ---- the page's parts ----------------------------------------------------------------------- */

static const char *title_of(const struct page *page)
{
	if (page->options->title)
		return page->options->title;
	return page->profile->title ? page->profile->title : "recording";
}

/* The measure shown first: the one asked for when there is something to show. */
static enum lode_measure first_measure(const struct page *page)
{
	enum lode_measure m = page->options->measure;

	if (m < LODE_MEASURE_COUNT && lode_flame_has(page->profile, m))
		return m;
	for (m = 0; m < LODE_MEASURE_COUNT; m++)
		if (lode_flame_has(page->profile, m))
			return m;
	return 0;
}

static void put_title(const struct page *page)
{
	lode_put_xml(page->f, title_of(page));
}

static void put_version(const struct page *page)
{
	fputs(LODE_VERSION, page->f);
}

/* Unknown to whoever named the functions, yet the same for the same recording: golden files stay
 * golden. */
static void put_nonce(const struct page *page)
{
	fprintf(page->f, "%08" PRIx32 "%08" PRIx32, page->raw_crc,
		lode_crc32(page->raw_crc, page->packed.data, page->packed.count));
}

static void put_style(const struct page *page)
{
	fwrite(lode_html_style, 1, (size_t)(lode_html_style_end - lode_html_style), page->f);
}

static void put_script(const struct page *page)
{
	fwrite(lode_html_script, 1, (size_t)(lode_html_script_end - lode_html_script), page->f);
}

static void put_data(const struct page *page)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *d = page->packed.data;
	size_t n = page->packed.count;

	for (size_t i = 0; i < n; i += 3) {
		uint32_t v = (uint32_t)d[i] << 16 | (i + 1 < n ? (uint32_t)d[i + 1] << 8 : 0) |
			     (i + 2 < n ? d[i + 2] : 0);
		char four[4] = { digits[v >> 18], digits[v >> 12 & 63],
				 i + 1 < n ? digits[v >> 6 & 63] : '=',
				 i + 2 < n ? digits[v & 63] : '=' };

		fwrite(four, 1, 4, page->f);
	}
}

static void put_measures(struct lode_json *j, const struct lode_profile *p)
{
	lode_json_key(j, "measures");
	lode_json_open(j, '[');
	for (int m = 0; m < LODE_MEASURE_COUNT; m++) {
		if (!lode_flame_has(p, m))
			continue;
		lode_json_open(j, '{');
		lode_json_put_text(j, "word", lode_measure_words[m]);
		lode_json_put_text(j, "unit", lode_measure_units[m]);
		lode_json_put_text(j, "text", lode_measure_texts[m]);
		lode_json_put_int(j, "total", p->total[m]);
		lode_json_close(j, '}');
	}
	lode_json_close(j, ']');
}

static void put_notices(struct lode_json *j, const struct lode_profile *p)
{
	lode_json_key(j, "notices");
	lode_json_open(j, '[');
	for (size_t i = 0; i < p->notice_count && i < NOTICES_MAX; i++) {
		lode_json_open(j, '{');
		lode_json_put_int(j, "severity", p->notices[i].severity);
		lode_json_put_text(j, "text", p->notices[i].text);
		lode_json_close(j, '}');
	}
	lode_json_close(j, ']');
}

/* [time, live, resident, CPU since the point before]; of a longer timeline the largest of each
 * stretch. */
static void put_timeline(struct lode_json *j, const struct lode_profile *p)
{
	size_t stride = p->point_count / POINTS_MAX + 1;

	lode_json_key(j, "timeline");
	lode_json_open(j, '[');
	for (size_t i = 0; i < p->point_count; i += stride) {
		struct lode_profile_point sum = { 0 };

		for (size_t k = i; k < i + stride && k < p->point_count; k++) {
			const struct lode_profile_point *at = &p->points[k];

			sum.time_ns = at->time_ns;
			sum.cpu_ns += at->cpu_ns;
			sum.live_bytes =
				at->live_bytes > sum.live_bytes ? at->live_bytes : sum.live_bytes;
			sum.rss_bytes =
				at->rss_bytes > sum.rss_bytes ? at->rss_bytes : sum.rss_bytes;
		}
		lode_json_open(j, '[');
		lode_json_int(j, (int64_t)sum.time_ns);
		lode_json_int(j, (int64_t)sum.live_bytes);
		lode_json_int(j, (int64_t)sum.rss_bytes);
		lode_json_int(j, (int64_t)sum.cpu_ns);
		lode_json_close(j, ']');
	}
	lode_json_close(j, ']');
}

static void put_meta(const struct page *page)
{
	const struct lode_profile *p = page->profile;
	struct lode_json j;

	lode_json_init(&j, page->f);
	lode_json_open(&j, '{');
	lode_json_put_text(&j, "lode", LODE_VERSION);
	lode_json_put_text(&j, "title", title_of(page));
	if (p->process_count)
		lode_json_put_text(&j, "command", lode_flame_main_process(p)->command);
	lode_json_put_int(&j, "start_unix_ns", (int64_t)p->start_unix_ns);
	lode_json_put_int(&j, "duration_ns", (int64_t)p->duration_ns);
	lode_json_put_int(&j, "from_ns", (int64_t)p->from_ns);
	lode_json_put_int(&j, "to_ns", (int64_t)p->to_ns);
	lode_json_put_int(&j, "at_ns", (int64_t)p->at_ns);
	lode_json_put_int(&j, "peak_time_ns", (int64_t)p->peak_time_ns);
	lode_json_put_int(&j, "process_count", (int64_t)p->process_count);
	lode_json_put_int(&j, "thread_count", (int64_t)p->thread_count);
	lode_json_put_int(&j, "events", (int64_t)p->events);
	lode_json_put_int(&j, "lost_events", (int64_t)p->lost_events);
	lode_json_put_int(&j, "lost_samples", (int64_t)p->lost_samples);
	lode_json_put_bool(&j, "truncated", p->is_truncated);
	lode_json_put_int(&j, "nodes", (int64_t)page->tree->node_count);
	lode_json_put_int(&j, "folded_nodes", (int64_t)page->tree->folded_count);
	lode_json_put_double(&j, "folded_below", page->folded_below);
	lode_json_put_text(&j, "measure", lode_measure_words[first_measure(page)]);
	put_measures(&j, p);
	put_notices(&j, p);
	put_timeline(&j, p);
	lode_json_close(&j, '}');
}

/* What readers without JavaScript get. */
static void put_top(const struct page *page)
{
	enum lode_measure m = first_measure(page);
	struct lode_view v;

	fprintf(page->f,
		"<table>\n<caption>%s, %s</caption>\n<tr><th>Self</th><th>Total</th><th>Function</th></tr>\n",
		lode_measure_texts[m], lode_measure_units[m]);
	lode_view_init(&v, page->profile, m, LODE_BY_FUNCTION);
	for (size_t i = 0; i < v.row_count && i < PLAIN_ROWS; i++) {
		char label[1024];

		fprintf(page->f, "<tr><td>%" PRId64 "</td><td>%" PRId64 "</td><td>", v.rows[i].self,
			v.rows[i].total);
		lode_put_xml(page->f, lode_row_label(&v, &v.rows[i], label, sizeof(label)));
		fputs("</td></tr>\n", page->f);
	}
	lode_view_release(&v);
	fputs("</table>\n", page->f);
}

/* ---- the template --------------------------------------------------------------------------- */

static const struct part {
	const char *word;
	void (*put)(const struct page *page);
} parts[] = {
	{ "@TITLE@", put_title }, { "@VERSION@", put_version }, { "@NONCE@", put_nonce },
	{ "@STYLE@", put_style }, { "@SCRIPT@", put_script },	{ "@TOP@", put_top },
	{ "@META@", put_meta },	  { "@DATA@", put_data },
};

static const struct part *part_at(const char *s, const char *end)
{
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		if ((size_t)(end - s) >= strlen(parts[i].word) &&
		    !memcmp(s, parts[i].word, strlen(parts[i].word)))
			return &parts[i];
	return NULL;
}

static void put_page(const struct page *page)
{
	const char *s = lode_html_page, *end = lode_html_page_end;

	while (s < end) {
		const char *at = memchr(s, '@', (size_t)(end - s));
		const struct part *part = at ? part_at(at, end) : NULL;

		if (!at)
			at = end;
		fwrite(s, 1, (size_t)(at - s), page->f);
		if (part)
			part->put(page);
		else if (at < end)
			fputc('@', page->f);
		s = at + (part ? strlen(part->word) : at < end ? 1 : 0);
	}
}

int lode_out_html(const struct lode_profile *p, const struct lode_out_options *o, FILE *f)
{
	struct page page = { .profile = p, .options = o, .f = f };
	int status;

	page.tree = lode_flame_tree_new(p, true);
	status = pack_within(&page);
	if (!status)
		put_page(&page);
	lode_deflater_free(page.deflater);
	free(page.packed.data);
	lode_flame_tree_free(page.tree);
	if (!status && ferror(f))
		return lode_error("cannot write the page: the disk may be full");
	return status;
}
