/* Linked statically: what exec of a program that cannot be profiled runs. */
#include "torture.h"

int main(void)
{
	burn(2 * BURN_1MS);
	return 0;
}
