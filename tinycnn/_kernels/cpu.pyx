# cython: language_level=3
"""What the processor can do, asked of the processor itself."""

cdef extern from *:
    """
    #if defined(__x86_64__)
    #  define FEATURE(name) (__builtin_cpu_init(), __builtin_cpu_supports(name) ? 1 : 0)
    #else
    #  define FEATURE(name) 0
    #endif
    static int has_fma(void)        { return FEATURE("fma"); }
    static int has_avx2(void)       { return FEATURE("avx2"); }
    static int has_avx512f(void)    { return FEATURE("avx512f"); }
    static int has_avx512bw(void)   { return FEATURE("avx512bw"); }
    static int has_avx512dq(void)   { return FEATURE("avx512dq"); }
    static int has_avx512vl(void)   { return FEATURE("avx512vl"); }
    static int has_avx512vnni(void) { return FEATURE("avx512vnni"); }
    #if defined(__aarch64__)
    static int has_neon(void)       { return 1; }
    #else
    static int has_neon(void)       { return 0; }
    #endif
    """
    int has_fma()
    int has_avx2()
    int has_avx512f()
    int has_avx512bw()
    int has_avx512dq()
    int has_avx512vl()
    int has_avx512vnni()
    int has_neon()


def features() -> frozenset[str]:
    """Names of the instruction sets that this processor and its system support."""
    return frozenset(name for name, present in (
        ("fma", has_fma()), ("avx2", has_avx2()), ("avx512f", has_avx512f()), ("avx512bw", has_avx512bw()),
        ("avx512dq", has_avx512dq()), ("avx512vl", has_avx512vl()), ("avx512vnni", has_avx512vnni()),
        ("neon", has_neon())) if present)
