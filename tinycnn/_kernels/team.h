/* Threads that work on one plan, and how they wait for each other between its operations. */
#pragma once
#include <limits.h>
#include <sched.h>
#include <time.h>
#ifdef __linux__
#  include <linux/futex.h>
#  include <sys/syscall.h>
#  include <unistd.h>
#endif
#ifdef _OPENMP
#  include <omp.h>
#endif

typedef struct {
    int arrived, generation;
    int asleep;                              /* threads that wait in the kernel */
    int *cpus;                               /* of each thread, the CPU that it was last seen on */
    int *taken;                              /* of each thread's parts, how many have been taken; A_LINE apart */
    char padding[32];                        /* a cache line of its own */
} Team;

enum { A_LINE = 64/sizeof(int) };

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

static inline double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

enum { PATIENCE = 400 };                     /* microseconds awake: several times what waking a thread takes */

/* Note where thread t runs; whether another thread was last seen on the same CPU. */
static inline int shares_cpu(Team *team, int t, int threads) {
#ifdef __linux__
    int mine = sched_getcpu();
    if (__atomic_load_n(team->cpus + t, __ATOMIC_RELAXED) != mine) __atomic_store_n(team->cpus + t, mine, __ATOMIC_RELAXED);
    for (int i = 0; i < threads; i++)
        if (i != t && __atomic_load_n(team->cpus + i, __ATOMIC_RELAXED) == mine) return 1;
#endif
    return 0;
}

/* At the beginning of a plan a thread that is on the CPU of another moves away, and keeps off that CPU until it meets another
 * thread on its own.  Left there the two would take turns for good: one sleeps whenever the other runs, so that the kernel
 * sees no load to balance; and where the kernel wakes a thread beside its waker it would be back at the next plan. */
static inline void team_spread(Team *team, int t, int threads) {
#ifdef __linux__
    cpu_set_t others;
    if (t == 0 || !shares_cpu(team, t, threads) || sched_getaffinity(getpid(), sizeof others, &others)) return;
    for (int i = 0; i < threads; i++)
        if (i != t && team->cpus[i] >= 0) CPU_CLR(team->cpus[i], &others);
    if (CPU_COUNT(&others) == 0 || sched_setaffinity(0, sizeof others, &others)) return;
    shares_cpu(team, t, threads);
#endif
}

static inline void team_sleep(Team *team, int generation) {
#ifdef __linux__
    __atomic_add_fetch(&team->asleep, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&team->generation, __ATOMIC_SEQ_CST) == generation)
        syscall(SYS_futex, &team->generation, FUTEX_WAIT_PRIVATE, generation, NULL, NULL, 0);
    __atomic_sub_fetch(&team->asleep, 1, __ATOMIC_SEQ_CST);
#else
    while (__atomic_load_n(&team->generation, __ATOMIC_ACQUIRE) == generation) sched_yield();
#endif
}

static inline void team_wake(Team *team) {
#ifdef __linux__
    if (__atomic_load_n(&team->asleep, __ATOMIC_SEQ_CST))
        syscall(SYS_futex, &team->generation, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
#endif
}

/* The number of the next part of a thread's share that nobody has begun; from some number on there is none. */
static inline int team_take(Team *team, int owner) {
    return __atomic_fetch_add(team->taken + owner*A_LINE, 1, __ATOMIC_RELAXED);
}

/* A barrier.  The last to arrive puts all parts back and opens the next generation; the others look for it somewhat longer
 * than waking up takes, then sleep: on a busy machine the one that they wait for may not be running.  Where it may stand in
 * the queue of this very CPU they sleep at once. */
static inline void team_wait(Team *team, int t, int threads) {
    int generation = __atomic_load_n(&team->generation, __ATOMIC_ACQUIRE);
    int crowded = shares_cpu(team, t, threads);
    if (__atomic_add_fetch(&team->arrived, 1, __ATOMIC_ACQ_REL) == threads) {
        team->arrived = 0;
        for (int i = 0; i < threads; i++) team->taken[i*A_LINE] = 0;
        __atomic_store_n(&team->generation, generation + 1, __ATOMIC_SEQ_CST);
        team_wake(team);
        return;
    }
    double until = 0;
    for (int i = 1; __atomic_load_n(&team->generation, __ATOMIC_ACQUIRE) == generation; i++) {
        if (!crowded) {
            relax();
            if (i % 16) continue;            /* the clock costs as much as a look */
            double now = seconds();
            if (until == 0) until = now + 1e-6 * PATIENCE;
            if (now < until) continue;
        }
        team_sleep(team, generation);
        return;
    }
}
