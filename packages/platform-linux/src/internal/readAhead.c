/*
 * Reads a file of each of many directories, while the thread that wants them does something else: what Looking.peek does,
 * for a batch, in one call. It only reads. What it can't tell it leaves to that thread, so it never has to say why.
 */
#define _GNU_SOURCE
#include "pool.h"
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DIRECTORIES 256
#define NAME_BYTES 256
#define CONTENT_BYTES 1016

struct glimpse {
	struct statx directory;
	struct statx file;
	/* Of the content. Negative: not to be told. */
	int32_t length;
	int32_t reserved;
	char content[CONTENT_BYTES];
};

struct batch {
	/* The first that is still wanted: all before it the other thread has looked at. */
	int32_t wanted;
	/* The first that is told, as are all after it. */
	int32_t told;
	/* Not 0 once this thread uses `root`. */
	int32_t begun;
	int32_t root;
	int32_t count;
	char reserved[44];
	/* What follows a directory's name, and ends in a NUL, as each of them does. */
	char below[NAME_BYTES];
	char names[DIRECTORIES * NAME_BYTES];
	struct glimpse glimpses[DIRECTORIES];
};

/* Where readAhead.ts expects them. */
_Static_assert(sizeof(struct statx) == 256, "struct statx");
_Static_assert(offsetof(struct batch, below) == 64, "below");
_Static_assert(offsetof(struct batch, names) == 320, "names");
_Static_assert(offsetof(struct batch, glimpses) == 65856, "glimpses");
_Static_assert(offsetof(struct glimpse, length) == 512, "length");
_Static_assert(offsetof(struct glimpse, content) == 520, "content");
_Static_assert(sizeof(struct glimpse) == 1536, "struct glimpse");

static int32_t read_whole(int fd, struct glimpse *glimpse)
{
	if (statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &glimpse->file) < 0 || !S_ISREG(glimpse->file.stx_mode) ||
	    glimpse->file.stx_size > CONTENT_BYTES)
		return -1;
	ssize_t length = read(fd, glimpse->content, CONTENT_BYTES);

	return length == (ssize_t)glimpse->file.stx_size ? (int32_t)length : -1;
}

static int32_t look(int root, const char *name, const char *below, struct glimpse *glimpse)
{
	char path[2 * NAME_BYTES];
	const size_t length = strlen(name);
	int32_t result;
	int fd;

	if (length >= NAME_BYTES ||
	    statx(root, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_BASIC_STATS, &glimpse->directory) < 0 ||
	    !S_ISDIR(glimpse->directory.stx_mode))
		return -1;
	memcpy(path, name, length);
	strcpy(path + length, below);
	if ((fd = open_without_trace(root, path, 0)) < 0)
		return -1;
	result = read_whole(fd, glimpse);
	close(fd);
	return result;
}

static void read_all(struct batch *batch, int gives_way)
{
	const char *names[DIRECTORIES], *name = batch->names;
	const int32_t count = batch->count;

	__atomic_store_n(&batch->begun, 1, __ATOMIC_SEQ_CST);
	for (int32_t index = 0; index < count; index++) {
		names[index] = name;
		name += strlen(name) + 1;
	}
	for (int32_t index = count - 1; index >= __atomic_load_n(&batch->wanted, __ATOMIC_SEQ_CST); index--) {
		struct glimpse *glimpse = &batch->glimpses[index];

		glimpse->length = look(batch->root, names[index], batch->below, glimpse);
		__atomic_store_n(&batch->told, index, __ATOMIC_RELEASE);
		/* Where processors are few, the thread that wants it goes first. */
		if (gives_way)
			sched_yield();
	}
}

/* From the last to the first, for the other thread begins with the first. */
void vm_sentinel_read_ahead(struct batch *batch)
{
	read_all(batch, 1);
}

/* For the thread that calls it. */
void vm_sentinel_read_now(struct batch *batch)
{
	read_all(batch, 0);
}
