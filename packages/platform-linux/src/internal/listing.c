/*
 * Lists a directory in the order of its inodes, while the thread that wants it does something else: what is kept of each
 * name is that and 16 bytes, in memory that the caller owns.
 */
#define _GNU_SOURCE
#include "pool.h"
#include <dirent.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Bytes that are read at once, and how many entries are in them at most: the shortest has 24. */
#define BLOCK_BYTES 32768
#define BLOCK_PLACES (BLOCK_BYTES / 24)

/* Nanoseconds after which the rest is left to the next call: the thread is Node's, and its caller may have been stopped. */
#define CALL_NS 10000000

struct place {
	uint64_t inode;
	/* Where in `bytes` the name begins, and how long it is. */
	uint32_t name;
	uint16_t length;
	uint8_t type;
	uint8_t is_hidden;
};

struct listing {
	int32_t fd;
	/* Of the call that failed, or 0. */
	int32_t error;
	/* Not 0: this is all. Else the next call goes on. */
	int32_t is_done;
	/* Not 0: there has to be more room first. */
	int32_t is_full;
	/* Of `bytes`: names from the beginning on, places up to the end, the last that was read first. */
	uint32_t capacity;
	uint32_t used;
	uint32_t count;
	/* Of them, once this is all, so many at the beginning are hidden. */
	uint32_t hidden;
	char reserved[32];
	char bytes[];
};

/* Where listing.ts expects them. */
_Static_assert(sizeof(struct place) == 16, "struct place");
_Static_assert(offsetof(struct place, name) == 8, "name");
_Static_assert(offsetof(struct place, length) == 12, "length");
_Static_assert(offsetof(struct place, type) == 14, "type");
_Static_assert(offsetof(struct listing, capacity) == 16, "capacity");
_Static_assert(offsetof(struct listing, bytes) == 64, "bytes");

static int64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

static struct place *places_of(struct listing *listing)
{
	return (struct place *)(listing->bytes + listing->capacity) - listing->count;
}

static int has_room(const struct listing *listing)
{
	const uint64_t places = (uint64_t)(listing->count + BLOCK_PLACES) * sizeof(struct place);

	return listing->used + places + BLOCK_BYTES <= listing->capacity;
}

/* The names of a block move to the front of it. */
static void note(struct listing *listing, const char *block, long filled)
{
	for (const char *end = block + filled; block < end;) {
		const struct dirent64 *entry = (const struct dirent64 *)block;
		const char *name = entry->d_name;
		const size_t length = strlen(name);

		block += entry->d_reclen;
		if (!strcmp(name, ".") || !strcmp(name, ".."))
			continue;
		const struct place place = {
			.inode = entry->d_ino,
			.name = listing->used,
			.length = length,
			.type = entry->d_type,
			.is_hidden = name[0] == '.',
		};
		memmove(listing->bytes + listing->used, name, length);
		listing->used += length;
		listing->hidden += place.is_hidden;
		listing->count += 1;
		*places_of(listing) = place;
	}
}

/* Hidden ones first; of those with one inode the one that was read first. */
static int compare(const void *left, const void *right)
{
	const struct place *a = left, *b = right;

	if (a->is_hidden != b->is_hidden)
		return b->is_hidden - a->is_hidden;
	if (a->inode != b->inode)
		return a->inode < b->inode ? -1 : 1;
	return a->name < b->name ? -1 : a->name > b->name;
}

void vm_sentinel_list(struct listing *listing)
{
	const int64_t until = now() + CALL_NS;

	listing->is_full = 0;
	do {
		char *block = listing->bytes + (listing->used + 7) / 8 * 8;
		long filled;

		if (!has_room(listing)) {
			listing->is_full = 1;
			return;
		}
		filled = syscall(SYS_getdents64, listing->fd, block, BLOCK_BYTES - 8);
		if (filled < 0) {
			listing->error = errno;
			return;
		}
		if (filled == 0) {
			qsort(places_of(listing), listing->count, sizeof(struct place), compare);
			listing->is_done = 1;
			return;
		}
		note(listing, block, filled);
	} while (now() < until);
}
