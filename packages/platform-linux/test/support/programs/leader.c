/* Prints its PID. Then its leader exits while another thread runs on. */
#include <pthread.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

static void *wait_for_ever(void *unused) {
  for (;;) pause();
  return unused;
}

int main(void) {
  pthread_t thread;
  if (pthread_create(&thread, NULL, wait_for_ever, NULL) != 0) return 1;
  printf("%d\n", getpid());
  fflush(stdout);
  syscall(SYS_exit, 0); /* of this thread alone */
}
