/*
 * Lists a directory in the order of its inodes, in a thread of Node's pool. This code is only faster than `entries` of
 * looking.ts, and decides nothing. Each name takes its own bytes of the caller's memory, and 16 bytes for its place.
 */
#define _GNU_SOURCE
#include "pool.h"
#include <dirent.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Bytes of one read, and the maximum number of entries in them. The shortest entry has 24 bytes. */
#define BLOCK_BYTES 32768
#define BLOCK_PLACES (BLOCK_BYTES / 24)

struct place {
	uint64_t inode;
	/* Offset of the name in `bytes`, and its length. */
	uint32_t name;
	uint16_t length;
	uint8_t type;
	uint8_t is_hidden;
};

struct listing {
	/* `count`: the number of places. `error`: ENOBUFS if the caller has to make more room first. */
	struct header header;
	/*
	 * Size of `bytes`. Names grow from its start, and places from its end. The place of the last name read comes
	 * first.
	 */
	uint32_t capacity;
	/* Bytes that the names take. */
	uint32_t used;
	/* Number of hidden names. Their places come first once all names are read. */
	uint32_t hidden;
	uint32_t reserved;
	char bytes[];
};

/* listing.ts relies on this layout. */
_Static_assert(sizeof(struct place) == 16, "struct place");
_Static_assert(offsetof(struct place, name) == 8, "name");
_Static_assert(offsetof(struct place, length) == 12, "length");
_Static_assert(offsetof(struct place, type) == 14, "type");
_Static_assert(offsetof(struct listing, capacity) == 16, "capacity");
_Static_assert(offsetof(struct listing, bytes) == 32, "bytes");

static struct place *places_of(struct listing *listing)
{
	return (struct place *)(listing->bytes + listing->capacity) - listing->header.count;
}

static int has_room(const struct listing *listing)
{
	const uint64_t places = (uint64_t)(listing->header.count + BLOCK_PLACES) * sizeof(struct place);

	return listing->used + places + BLOCK_BYTES <= listing->capacity;
}

/* Appends the names of a block, and their places. */
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
		listing->header.count += 1;
		*places_of(listing) = place;
	}
}

/*
 * Hidden names come first, and each of both groups is sorted by inode. Names with equal inodes keep the order in which
 * they were read.
 */
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
	const int64_t end = now_ns() + CALL_NS;

	do {
		char *block = listing->bytes + (listing->used + 7) / 8 * 8;
		long filled;

		if (!has_room(listing)) {
			listing->header.error = ENOBUFS;
			return;
		}
		filled = syscall(SYS_getdents64, listing->header.fd, block, BLOCK_BYTES - 8);
		if (filled < 0) {
			listing->header.error = errno;
			return;
		}
		if (filled == 0) {
			qsort(places_of(listing), listing->header.count, sizeof(struct place), compare);
			listing->header.is_done = 1;
			return;
		}
		note(listing, block, filled);
	} while (now_ns() < end);
}
