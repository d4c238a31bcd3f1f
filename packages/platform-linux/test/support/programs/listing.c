/*
 * Compiles listing.c with a simulated kernel and clock. `tell` sets the records that getdents64 answers, in blocks of
 * `block` bytes, the errno that follows the last record (0: none), and whether each reading of the clock is one second
 * later.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static char *records;
static size_t length, told, block;
static int error, is_slow;
static time_t passed;

void tell(const char *bytes, uint32_t count, uint32_t block_bytes, int errno_at_end, int slow)
{
	free(records);
	records = malloc(count + 1);
	memcpy(records, bytes, count);
	length = count;
	told = 0;
	block = block_bytes;
	error = errno_at_end;
	is_slow = slow;
}

static long answer(char *into, size_t size)
{
	size_t filled = 0;

	while (told < length) {
		const struct dirent64 *entry = (const struct dirent64 *)(records + told);

		if (filled + entry->d_reclen > size || (filled > 0 && filled + entry->d_reclen > block))
			break;
		memcpy(into + filled, entry, entry->d_reclen);
		filled += entry->d_reclen;
		told += entry->d_reclen;
	}
	if (filled > 0 || error == 0)
		return filled;
	errno = error;
	return -1;
}

static int tell_time(clockid_t clock, struct timespec *now)
{
	int result = clock_gettime(clock, now);

	passed += is_slow;
	now->tv_sec += passed;
	return result;
}

#define syscall(number, fd, into, size) answer(into, size)
#define clock_gettime tell_time

#include "../../../src/internal/listing.c"
