/*
 * Looks at one file in each directory of a page. This code is only faster than looking.ts, and decides nothing. It
 * marks a special case UNTOLD, and looking.ts looks again.
 */
#define _GNU_SOURCE
#include "pool.h"
#include "kernel.h"
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DIRECTORIES 512
#define NAME_BYTES 256
#define CONTENT_BYTES 980
#define UNTOLD UINT32_MAX

struct permissions {
	uint32_t mode;
	uint32_t uid;
	uint32_t gid;
	uint32_t nlink;
};

struct peek {
	/* Milliseconds since the epoch. */
	double modified_at;
	struct permissions directory;
	struct permissions file;
	/* Bytes of the content, or UNTOLD. */
	uint32_t length;
	char content[CONTENT_BYTES];
};

struct page {
	struct header header;
	/* Number of directories done. */
	int32_t next;
	/* Offset in `names` of the next directory's name. */
	int32_t name;
	/* The path from a directory to its file, such as `/.vm-sentinel`. This path and every name end in a NUL. */
	char below[NAME_BYTES];
	char names[DIRECTORIES * NAME_BYTES];
	struct peek peeks[DIRECTORIES];
};

/* peekMany.ts relies on this layout. */
_Static_assert(offsetof(struct page, next) == 16, "next");
_Static_assert(offsetof(struct page, below) == 24, "below");
_Static_assert(offsetof(struct page, names) == 280, "names");
_Static_assert(offsetof(struct page, peeks) == 131352, "peeks");
_Static_assert(offsetof(struct peek, directory) == 8, "directory");
_Static_assert(offsetof(struct peek, file) == 24, "file");
_Static_assert(offsetof(struct peek, length) == 40, "length");
_Static_assert(offsetof(struct peek, content) == 44, "content");
_Static_assert(sizeof(struct peek) == 1024, "struct peek");

static struct permissions permissions_of(const struct kernel_stat *found)
{
	return (struct permissions){found->mode, found->uid, found->gid, found->nlink};
}

static uint32_t read_whole(int fd, struct peek *peek)
{
	struct kernel_stat found;
	ssize_t length;

	if (kernel_stat(fd, "", AT_EMPTY_PATH, KERNEL_BASIC, &found) < 0 || !S_ISREG(found.mode) ||
	    found.size > CONTENT_BYTES)
		return UNTOLD;
	length = read(fd, peek->content, CONTENT_BYTES);
	if (length != (ssize_t)found.size)
		return UNTOLD;
	peek->file = permissions_of(&found);
	peek->modified_at = found.modified.seconds * 1000.0 + found.modified.nanoseconds / 1000000;
	return length;
}

static uint32_t look(const struct page *page, const char *name, size_t length, struct peek *peek)
{
	char path[2 * NAME_BYTES];
	struct kernel_stat found;
	uint32_t result;
	int fd;

	if (length >= NAME_BYTES ||
	    kernel_stat(page->header.fd, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, KERNEL_BASIC, &found) < 0 ||
	    !S_ISDIR(found.mode))
		return UNTOLD;
	peek->directory = permissions_of(&found);
	memcpy(path, name, length);
	strcpy(path + length, page->below);
	if ((fd = open_without_trace(page->header.fd, path, 0)) < 0)
		return UNTOLD;
	result = read_whole(fd, peek);
	close(fd);
	return result;
}

void vm_sentinel_peek(struct page *page)
{
	const int64_t end = now_ns() + CALL_NS;
	const int32_t first = page->next;

	while (page->next < page->header.count && (page->next == first || now_ns() < end)) {
		const char *name = page->names + page->name;
		const size_t length = strlen(name);
		struct peek *peek = &page->peeks[page->next];

		peek->length = look(page, name, length, peek);
		page->name += length + 1;
		page->next += 1;
	}
	page->header.is_done = page->next == page->header.count;
}
