/*
 * Calls a library with the memory that listing.ts, peekMany.ts, scanMany.ts and removal.ts write: `calls LIBRARY ROOT`.
 * Lists ROOT, peeks at `file` in its directory `vm`, locks `vm` and looks at it, unlocks and removes `vm`, and prints the
 * results. Built for a machine, it shows that the loader of that machine accepts the library.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define PEEKS 131352
#define PEEK_BYTES 1024
#define LOOKS 24864
#define LOOK_BYTES 3840

static void *symbol(void *library, const char *name)
{
	void *found = dlsym(library, name);

	if (found == NULL) {
		fprintf(stderr, "%s\n", dlerror());
		exit(1);
	}
	return found;
}

/* Memory that begins with one item and the descriptor of the root. */
static int32_t *memory_for(int fd, size_t bytes)
{
	int32_t *memory = calloc(1, bytes);

	memory[0] = 1;
	memory[1] = fd;
	return memory;
}

/* Whether somebody else holds a lock of the directory. */
static int is_locked(int root, const char *name)
{
	const int fd = openat(root, name, O_RDONLY | O_DIRECTORY);
	const int is_held = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) != 0;

	close(fd);
	return is_held;
}

int main(int argc, char **argv)
{
	void *library = argc == 3 ? dlopen(argv[1], RTLD_NOW) : NULL;
	const int fd = argc == 3 ? open(argv[2], O_RDONLY | O_DIRECTORY) : -1;
	int32_t *listing, *page, *looks, *orders;
	char *path;

	if (library == NULL || fd < 0) {
		fprintf(stderr, "%s\n", library == NULL ? dlerror() : argv[2]);
		return 1;
	}
	printf("layout %d\n", ((int (*)(void))symbol(library, "vm_sentinel_layout"))());

	listing = memory_for(fd, 1 << 20);
	listing[0] = 0;
	listing[4] = (1 << 20) - 32;
	((void (*)(void *))symbol(library, "vm_sentinel_list"))(listing);
	printf("names %d, error %d, done %d\n", listing[0], listing[2], listing[3]);

	page = memory_for(fd, PEEKS + 512 * PEEK_BYTES);
	strcpy((char *)page + 24, "/file");
	strcpy((char *)page + 280, "vm");
	((void (*)(void *))symbol(library, "vm_sentinel_peek"))(page);
	path = (char *)page + PEEKS;
	printf("content %.*s, done %d\n", *(int32_t *)(path + 40), path + 44, page[3]);

	looks = memory_for(fd, LOOKS + 32 * LOOK_BYTES);
	looks[5] = 1;
	strcpy((char *)looks + 288, "vm");
	((void (*)(void *))symbol(library, "vm_sentinel_look"))(looks);
	printf("told %d, done %d, locked %d", looks[LOOKS / 4], looks[3], is_locked(fd, "vm"));
	((void (*)(void *))symbol(library, "vm_sentinel_unlock"))(looks);
	printf(", then %d\n", is_locked(fd, "vm"));

	orders = memory_for(-1, 64 + 32 * 4096 + 32 * 8192);
	path = (char *)orders + 64 + 168;
	strcpy(path, argv[2]);
	strcpy(path + strlen(path) + 1, "vm");
	((void (*)(void *))symbol(library, "vm_sentinel_remove"))(orders);
	printf("result %d\n", orders[17]);
	return 0;
}
