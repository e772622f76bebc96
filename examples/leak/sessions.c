/* A session table with a classic leak: sessions that end by a timeout are taken out of the table and not freed.
 * 2,000 sessions of 512 bytes are opened; every tenth times out: 200 blocks, 102,400 bytes are lost. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct session {
	struct session *next;
	char user[504];
};

static struct session *table;

static struct session *session_open(int number)
{
	struct session *s = malloc(sizeof *s);
	if (!s)
		exit(1);
	snprintf(s->user, sizeof s->user, "user-%d", number);
	s->next = table;
	table = s;
	return s;
}

static void session_close(struct session *s)
{
	table = s->next;
	free(s);
}

static void session_time_out(struct session *s)
{
	table = s->next; /* and where is free(s)? */
}

static void serve(int number)
{
	struct session *s = session_open(number);
	if (number % 10 == 0)
		session_time_out(s);
	else
		session_close(s);
}

int main(void)
{
	for (int i = 0; i < 2000; i++)
		serve(i);
	puts("2000 sessions served");
	return 0;
}
