/* JSON, written as it comes: one flag tells whether a comma is due, so nesting needs no memory. */
#include "json.h"

#include <inttypes.h>
#include <math.h>

#include "escape.h"

void lode_json_init(struct lode_json *j, FILE *f)
{
	*j = (struct lode_json){.f = f};
}

static void separate(struct lode_json *j)
{
	if (j->needs_comma)
		fputc(',', j->f);
	j->needs_comma = true;
}

void lode_json_open(struct lode_json *j, char bracket)
{
	separate(j);
	fputc(bracket, j->f);
	j->needs_comma = false;
}

void lode_json_close(struct lode_json *j, char bracket)
{
	fputc(bracket, j->f);
	j->needs_comma = true;
}

void lode_json_line(struct lode_json *j)
{
	if (j->needs_comma)
		fputc(',', j->f);
	fputc('\n', j->f);
	j->needs_comma = false;
}

void lode_json_key(struct lode_json *j, const char *key)
{
	separate(j);
	lode_put_json(j->f, key);
	fputc(':', j->f);
	j->needs_comma = false;
}

void lode_json_text(struct lode_json *j, const char *value)
{
	separate(j);
	if (value)
		lode_put_json(j->f, value);
	else
		fputs("null", j->f);
}

void lode_json_int(struct lode_json *j, int64_t value)
{
	separate(j);
	fprintf(j->f, "%" PRId64, value);
}

/* JSON has no word for infinities and NaN. */
void lode_json_double(struct lode_json *j, double value)
{
	separate(j);
	if (isfinite(value))
		fprintf(j->f, "%.6g", value);
	else
		fputs("null", j->f);
}

void lode_json_bool(struct lode_json *j, bool value)
{
	separate(j);
	fputs(value ? "true" : "false", j->f);
}

void lode_json_put_text(struct lode_json *j, const char *key, const char *value)
{
	lode_json_key(j, key);
	lode_json_text(j, value);
}

void lode_json_put_int(struct lode_json *j, const char *key, int64_t value)
{
	lode_json_key(j, key);
	lode_json_int(j, value);
}

void lode_json_put_double(struct lode_json *j, const char *key, double value)
{
	lode_json_key(j, key);
	lode_json_double(j, value);
}

void lode_json_put_bool(struct lode_json *j, const char *key, bool value)
{
	lode_json_key(j, key);
	lode_json_bool(j, value);
}
