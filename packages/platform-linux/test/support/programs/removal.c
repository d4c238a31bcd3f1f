/*
 * Compiles removal.c with an act that happens once, right before call number AT of those that are defined below (0:
 * before the removal begins): `removal ACT AT TREE PLACE ASIDE OTHER`. Prints the number of these calls and the result.
 * `link`: moves PLACE to ASIDE and puts a symbolic link to OTHER there. `swap`: moves PLACE to ASIDE, and OTHER to
 * PLACE. `mount`: bind-mounts OTHER on PLACE.
 * `wait`: the clock jumps by one second. `crawl`: the same, and each later reading adds a second. `stop`: the removal
 * is cancelled.
 * `hold`: takes the shared lock of PLACE through another open file. `claim`: the same, and then puts a sentinel into
 * PLACE. `lockless`: every later flock(2) fails with ENOLCK. `publish`: makes ASIDE, and moves it over the sentinel of
 * PLACE. The sentinels that TREE has before the removal count as judged.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

static int calls, at, lockless;
static time_t passed;
static const char *act, *place, *aside, *other;
static int32_t *state;

static int fail(const char *what) {
  perror(what);
  exit(1);
}

/* The lock lasts until this process ends. With `claim`, the sentinel follows the lock, as for every owner. */
static void hold(void) {
  char path[4096];
  int fd = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0 || flock(fd, LOCK_SH | LOCK_NB) != 0 || strcmp(act, "claim") != 0) return;
  snprintf(path, sizeof(path), "%s/.vm-sentinel.late", place);
  fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (fd >= 0) close(fd);
}

/* If PLACE is gone, ASIDE stays. */
static void publish(void) {
  char path[4096];
  int fd = open(aside, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0 || close(fd) != 0) fail("open");
  snprintf(path, sizeof(path), "%s/.vm-sentinel", place);
  if (rename(aside, path) != 0 && errno != ENOENT) fail("rename");
}

static int lock(int fd, int operation) {
  if (lockless) {
    errno = ENOLCK;
    return -1;
  }
  return flock(fd, operation);
}

static void act_now(void) {
  if (strcmp(act, "link") == 0) {
    if (rename(place, aside) == 0 && symlink(other, place) != 0) fail("symlink");
  } else if (strcmp(act, "swap") == 0) {
    if (rename(place, aside) == 0 && rename(other, place) != 0) fail("rename");
  } else if (strcmp(act, "mount") == 0) {
    if (mount(other, place, NULL, MS_BIND, NULL) != 0 && errno != ENOENT) fail("mount");
  } else if (strcmp(act, "wait") == 0 || strcmp(act, "crawl") == 0) {
    passed = 1;
  } else if (strcmp(act, "stop") == 0) {
    *state = 2;
  } else if (strcmp(act, "hold") == 0 || strcmp(act, "claim") == 0) {
    hold();
  } else if (strcmp(act, "lockless") == 0) {
    lockless = 1;
  } else if (strcmp(act, "publish") == 0) {
    publish();
  }
}

static void before_call(void) {
  if (++calls == at) act_now();
}

static int tell_time(clockid_t clock, struct timespec *now) {
  int result = clock_gettime(clock, now);
  now->tv_sec += passed;
  if (passed > 0 && strcmp(act, "crawl") == 0) passed++;
  return result;
}

#define openat(...) (before_call(), openat(__VA_ARGS__))
#define statx(...) (before_call(), statx(__VA_ARGS__))
#define unlinkat(...) (before_call(), unlinkat(__VA_ARGS__))
#define syscall(...) (before_call(), syscall(__VA_ARGS__))
#define close(...) (before_call(), close(__VA_ARGS__))
#define flock(...) (before_call(), lock(__VA_ARGS__))
#define lseek(...) (before_call(), lseek(__VA_ARGS__))
#define clock_gettime tell_time
#undef _GNU_SOURCE
#include "../../../src/internal/removal.c"

static void judge(struct order *order, const char *tree) {
  static const char *const names[] = {".vm-sentinel.guest", ".vm-sentinel"};
  char *end = order->path + strlen(order->path) + 1;
  char path[4096];
  struct stat found;

  end += strlen(end) + 1;
  for (int index = 0; index < 2; index++) {
    snprintf(path, sizeof(path), "%s/%s", tree, names[index]);
    if (lstat(path, &found) != 0) continue;
    order->judged[order->judged_count++] = (struct judged){
        .dev = found.st_dev,
        .ino = found.st_ino,
        .size = found.st_size,
        .modified_ms = found.st_mtim.tv_sec * 1000 + found.st_mtim.tv_nsec / 1000000,
    };
    end = stpcpy(end, names[index]) + 1;
  }
}

int main(int count, char **arguments) {
  static struct orders orders = {.header = {.count = 1}};
  struct order *order = &orders.orders[0];
  struct stat found;

  if (count != 7) return 2;
  act = arguments[1];
  at = atoi(arguments[2]);
  place = arguments[4];
  aside = arguments[5];
  other = arguments[6];
  state = &order->state;
  /* The mount ends with this process's mount namespace. */
  if (strcmp(act, "mount") == 0 && (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0))
    fail("unshare");
  if (lstat(arguments[3], &found) != 0) fail("lstat");
  order->is_known = 1;
  order->is_locking = 1;
  order->dev = found.st_dev;
  order->ino = found.st_ino;
  strcpy(order->path, arguments[3]);
  *strrchr(order->path, '/') = '\0';
  judge(order, arguments[3]);
  if (at == 0) act_now();
  vm_sentinel_remove(&orders);
  printf("%d %d\n", calls, order->result);
  return 0;
}
