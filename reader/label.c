/* A frame's label; see label.h. */
#include "label.h"

#include <stdio.h>
#include <string.h>

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash && slash[1] ? slash + 1 : path;
}

/* Takes away the beginning of a UTF-8 sequence that was cut. */
static void trim_tail(char *buf)
{
	size_t n = strlen(buf), i = n;
	while (i && n - i < 3 && ((unsigned char)buf[i - 1] & 0xc0) == 0x80)
		i--;
	unsigned char lead = i ? (unsigned char)buf[i - 1] : 0;
	size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
	if (length > n - i + 1)
		buf[i - 1] = 0;
}

const char *lode_frame_label(const struct lode_frame *f, bool with_line, char *buf, size_t n)
{
	int wrote;
	if (!n)
		return "";
	bool is_native = f->kind == LODE_FRAME_NATIVE || f->kind == LODE_FRAME_INLINED;
	const char *mark = f->kind == LODE_FRAME_INLINED ? " [inlined]" : "";
	uint32_t line = with_line ? f->line : 0;
	if (!line && !is_native)
		line = f->first_line;
	if (f->kind == LODE_FRAME_SPECIAL || f->kind == LODE_FRAME_THREAD ||
	    (!f->file && !f->module))
		wrote = snprintf(buf, n, "%s%s", f->name, mark);
	else if (f->file && line)
		wrote = snprintf(buf, n, "%s (%s:%u)%s", f->name, base_name(f->file), line, mark);
	else
		wrote = snprintf(buf, n, "%s (%s)%s", f->name,
				 base_name(f->file ? f->file : f->module), mark);
	if (wrote < 0)
		buf[0] = 0;
	else if ((size_t)wrote >= n)
		trim_tail(buf);
	return buf;
}
