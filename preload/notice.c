/* Notices and the formatter.  Contract in notice.h. */
#include "notice.h"

#include <stdarg.h>
#include <stdbool.h>

#include "event.h"
#include "state.h"

#define REMEMBERED 64u

struct text {
	char *at, *end;
};

static void put_char(struct text *t, char c)
{
	if (t->at < t->end)
		*t->at++ = c;
}

static void put_string(struct text *t, const char *s)
{
	for (s = s ? s : "(none)"; *s; s++)
		put_char(t, *s);
}

static void put_number(struct text *t, uint64_t v, unsigned base)
{
	char digits[20];
	unsigned n = 0;
	do
		digits[n++] = "0123456789abcdef"[v % base];
	while ((v /= base) && n < sizeof digits);
	while (n)
		put_char(t, digits[--n]);
}

static void put_signed(struct text *t, int64_t v)
{
	if (v < 0)
		put_char(t, '-');
	put_number(t, v < 0 ? -(uint64_t)v : (uint64_t)v, 10);
}

static void format_list(struct text *t, const char *format, va_list arguments)
{
	for (; *format; format++) {
		if (*format != '%') {
			put_char(t, *format);
			continue;
		}
		bool is_long = *++format == 'l';
		format += is_long;
		switch (*format) {
		case 's': put_string(t, va_arg(arguments, const char *)); break;
		case 'd': put_signed(t, is_long ? va_arg(arguments, long) : va_arg(arguments, int)); break;
		case 'u': put_number(t, is_long ? va_arg(arguments, unsigned long) : va_arg(arguments, unsigned), 10); break;
		case 'x': put_number(t, is_long ? va_arg(arguments, unsigned long) : va_arg(arguments, unsigned), 16); break;
		case 0: return;
		default: put_char(t, *format);
		}
	}
}

size_t lode_format(char *buf, size_t n, const char *format, ...)
{
	if (!n)
		return 0;
	struct text t = {buf, buf + n - 1};
	va_list arguments;
	va_start(arguments, format);
	format_list(&t, format, arguments);
	va_end(arguments);
	*t.at = 0;
	return (size_t)(t.at - buf);
}

/* Each text once a process: remembered by hash; when the memory is full the rest are written. */
static bool is_new(const char *s, size_t n)
{
	static uint32_t seen[REMEMBERED], count;
	uint32_t h = 2166136261u;
	for (size_t i = 0; i < n; i++)
		h = (h ^ (uint8_t)s[i]) * 16777619u;
	uint32_t have = __atomic_load_n(&count, __ATOMIC_ACQUIRE);
	for (uint32_t i = 0; i < have && i < REMEMBERED; i++)
		if (seen[i] == h)
			return false;
	uint32_t at = __atomic_fetch_add(&count, 1, __ATOMIC_RELAXED);
	if (at < REMEMBERED)
		seen[at] = h;
	return true;
}

void lode_notice(enum lode_severity severity, const char *format, ...)
{
	char buf[200];
	struct text t = {buf, buf + sizeof buf};
	va_list arguments;
	va_start(arguments, format);
	format_list(&t, format, arguments);
	va_end(arguments);
	size_t n = (size_t)(t.at - buf);
	if (is_new(buf, n))
		lode_event_notice(severity, buf, n);
}
