/* How the C that Cython generates is compiled; setup.py puts these words there.  Kernels are to be fast, what stands
 * around them small: argument reading alone was a third of the eager kernels.  (The attribute "cold" would not do: gcc
 * takes whatever only cold functions call for cold, kernels too.) */
#pragma once

#ifdef __SANITIZE_ADDRESS__
#  define KERNEL_INLINE inline
#else                                        /* gcc would leave the register tiles as calls, at a fifth of the speed */
#  define KERNEL_INLINE inline __attribute__((always_inline))
#endif

#ifdef __clang__
#  define CALL_SMALL __attribute__((minsize))
#else
#  define CALL_SMALL __attribute__((optimize("Os")))
#endif
#define KERNEL_BODY __attribute__((noinline))
