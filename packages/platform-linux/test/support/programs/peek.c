/* Compiles peek.c with a clock that advances by one second at each reading. */
#include <time.h>

static int tell_time(clockid_t clock, struct timespec *now)
{
	static time_t passed;
	int result = clock_gettime(clock, now);

	now->tv_sec += ++passed;
	return result;
}

#define clock_gettime tell_time

#include "../../../src/internal/peek.c"
