/* Threads that work on one plan, and how they wait for each other between its operations. */
#pragma once
#include <sched.h>
#include <time.h>
#ifdef _OPENMP
#  include <omp.h>
#endif

typedef struct {
    int arrived, generation;
    char padding[56];                        /* a cache line of its own */
} Team;

/* Threads of the parallel region that calls this. */
static inline int team_size(void) {
#ifdef _OPENMP
    return omp_get_num_threads();
#else
    return 1;
#endif
}

static inline void relax(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* A barrier.  The last to arrive opens the next generation; the others look for it some thousand times, a few
 * microseconds, and then let other programs have the CPU in between: on a busy machine the one that they wait for may
 * not be running. */
static inline void team_wait(Team *team, int threads) {
    int generation = __atomic_load_n(&team->generation, __ATOMIC_ACQUIRE);
    if (__atomic_add_fetch(&team->arrived, 1, __ATOMIC_ACQ_REL) == threads) {
        team->arrived = 0;
        __atomic_store_n(&team->generation, generation + 1, __ATOMIC_RELEASE);
        return;
    }
    for (int i = 0; __atomic_load_n(&team->generation, __ATOMIC_ACQUIRE) == generation; i++) {
        if (i < 4000) relax();
        else sched_yield();
    }
}

static inline double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
