/* The floor of waking: absolute sleeps and nothing else. kernel PERIOD_NS; BENCH_TRACE says where
 * its ticks go, in COLUMNS as tick_trace.py has them (blocks.py defines how many). */
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

enum { CAPACITY = 400000 };
static int64_t rows[CAPACITY][COLUMNS];
static volatile sig_atomic_t ended;

static void end(int number) {
  (void)number;
  ended = 1;
}

static int64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

int main(int count, char **words) {
  const char *path = getenv("BENCH_TRACE");
  if (count != 2 || path == NULL) return 2;
  int64_t period_ns = atoll(words[1]), ticks = 0;
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = end;
  sigaction(SIGTERM, &action, NULL);
  prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
  memset(rows, 0, sizeof rows);
  char first[4096], unfinished[4096];
  snprintf(first, sizeof first, "%.*s.first", (int)(strrchr(path, '.') - path), path);
  snprintf(unfinished, sizeof unfinished, "%s.unfinished", path);
  FILE *file = fopen(unfinished, "w");
  if (file == NULL) return 1;
  fprintf(file, "%lld", (long long)now_ns());
  fclose(file);
  rename(unfinished, first);
  for (int64_t due_ns = now_ns() + period_ns; !ended; due_ns += period_ns) {
    struct timespec due = {due_ns / 1000000000, due_ns % 1000000000};
    if (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL) == EINTR) continue;
    int64_t begin_ns = now_ns();
    if (ticks < CAPACITY) {
      rows[ticks][0] = due_ns;
      rows[ticks][1] = rows[ticks][2] = rows[ticks][4] = begin_ns;
      ticks++;
    }
  }
  file = fopen(path, "wb");
  if (file == NULL) return 1;
  fwrite(rows, sizeof rows[0], (size_t)ticks, file);
  return fclose(file) != 0;
}
