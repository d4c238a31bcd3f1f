/* Reports to pool.ts the memory layout for which the library was built. */
#define _GNU_SOURCE
#include "pool.h"

int vm_sentinel_layout(void)
{
	return LAYOUT;
}
