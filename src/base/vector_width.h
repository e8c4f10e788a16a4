// Functions of the compiler itself that use the vectors of the machine at hand.
#pragma once

/// In front of a function that is not inline: compiled for each width of vectors, of which the
/// widest that the machine has runs. Results are the same bits: the build contracts nothing.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define TENON_FOR_EACH_VECTOR_WIDTH [[gnu::target_clones("avx512f", "avx2", "default")]]
#else
#define TENON_FOR_EACH_VECTOR_WIDTH
#endif
