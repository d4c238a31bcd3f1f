/* Prints its PID. Then it executes itself over and over, from a thread that isn't the leader, as Go programs do. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char **arguments;

static void *again(void *unused) {
  execv("/proc/self/exe", arguments);
  _exit(1);
  return unused;
}

int main(int count, char **values) {
  static char *next[] = {"reexec", "again", NULL};
  pthread_t thread;
  (void)values;
  if (count == 1) {
    printf("%d\n", getpid());
    fflush(stdout);
  }
  arguments = next;
  if (pthread_create(&thread, NULL, again, NULL) != 0) return 1;
  for (;;) pause();
}
