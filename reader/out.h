/* Output formats: one file each, one table (out.c).  A writer gets a finished profile and a FILE;
 * it returns 0, or -1 after lode_error.  Writers escape names themselves, by their format's rules.
 */
#ifndef LODE_OUT_H
#define LODE_OUT_H

#include <stdbool.h>
#include <stdio.h>

#include "profile.h"

struct lode_out_options {
	enum lode_measure measure; /* formats that hold one measure */
	bool lines;                /* frame labels with lines */
	bool threads;              /* thread as root frame */
	const char *title;
	double min_fraction; /* svg, html: drop what is narrower */
};

struct lode_out_format {
	const char *name, *suffix, *text;
	bool is_binary;
	int (*write)(const struct lode_profile *p, const struct lode_out_options *o, FILE *f);
};

/* The table, ended by a row whose name is NULL. */
extern const struct lode_out_format lode_out_formats[];
const struct lode_out_format *lode_out_format_find(const char *name); /* NULL: none */

int lode_out_folded(const struct lode_profile *p, const struct lode_out_options *o, FILE *f);
int lode_out_speedscope(const struct lode_profile *p, const struct lode_out_options *o, FILE *f);
int lode_out_pprof(const struct lode_profile *p, const struct lode_out_options *o, FILE *f);
int lode_out_json(const struct lode_profile *p, const struct lode_out_options *o, FILE *f);
int lode_out_csv(const struct lode_profile *p, const struct lode_out_options *o, FILE *f);
int lode_out_html(const struct lode_profile *p, const struct lode_out_options *o, FILE *f);
int lode_out_svg(const struct lode_profile *p, const struct lode_out_options *o, FILE *f);

#endif
