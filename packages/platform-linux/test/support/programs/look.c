/*
 * Compiles src/internal/look.c so that the directories `one` and `other` of a root are exchanged right after each lock
 * of a directory in this root.
 */
#include <sys/file.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

/* RENAME_EXCHANGE of linux/fs.h. */
#define EXCHANGE 2

static int lock_and_exchange(int fd, int operation)
{
	const int result = flock(fd, operation);
	const int number = errno;
	const int root = openat(fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (root < 0 || syscall(SYS_renameat2, root, "one", root, "other", EXCHANGE) != 0)
		abort();
	close(root);
	errno = number;
	return result;
}

#define flock lock_and_exchange

#include "../../../src/internal/look.c"

int vm_sentinel_is_sentinel(const char *name)
{
	return strcmp(name, ".vm-sentinel") == 0;
}
