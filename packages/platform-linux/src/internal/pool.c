/* Tells pool.ts by which layout of the memory the library was built. */
#define _GNU_SOURCE
#include "pool.h"

int vm_sentinel_layout(void)
{
	return LAYOUT;
}
