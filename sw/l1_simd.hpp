// Vectors as wide as the machine has them, and the operations on them that L1 layers need.

#pragma once

#include <algorithm>
#include <cstdint>
#if defined(__AVX512DQ__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
#define VECTOR_BYTES 64
#elif defined(__AVX__)
#define VECTOR_BYTES 32
#else
#define VECTOR_BYTES 16  // wider vectors than the machine has are split, and become several times slower
#endif

// Hides a constant from g++: multiplied by it, numbers are added by the multipliers, where adders are busy.
#if defined(__AVX512F__)
#define HIDE(constant) asm("" : "+v"(constant))
#else
#define HIDE(constant) static_cast<void>(constant)
#endif

namespace {

template <class T> struct Bits;
template <> struct Bits<float> { using type = int32_t; };
template <> struct Bits<double> { using type = int64_t; };

template <class T> struct Simd {
    static constexpr int lanes = VECTOR_BYTES / sizeof(T);
    typedef T Vector __attribute__((vector_size(VECTOR_BYTES)));
    typedef T Unaligned __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(T)), may_alias));
    typedef typename Bits<T>::type Mask __attribute__((vector_size(VECTOR_BYTES)));

    static Vector load(const T *p) { return *reinterpret_cast<const Unaligned *>(p); }
    static void store(T *p, Vector v) { *reinterpret_cast<Unaligned *>(p) = v; }
    static void store(T *p, Vector v, int64_t used) {
        if (used >= lanes) return store(p, v);
        for (int64_t lane = 0; lane < used; lane++) p[lane] = v[lane];
    }
    // Faster than memcpy for as few numbers as a row has.
    static void copy(const T *from, T *to, int64_t count) {
        int64_t i = 0;
        for (; i + lanes <= count; i += lanes) store(to + i, load(from + i));
        for (; i < count; i++) to[i] = from[i];
    }
    static Vector abs(Vector v) {
        Mask bits = reinterpret_cast<Mask>(v);
        bits &= ~(typename Bits<T>::type(1) << (8 * sizeof(T) - 1));
        return reinterpret_cast<Vector>(bits);
    }
    // What the gradient of -|v| is replaced by: v clipped to -1..1, or its sign.
    template <bool Sign> static Vector slope(Vector v) {
        const Vector zero = {}, one = zero + 1;
        if (Sign) return (v > zero ? one : zero) - (v < zero ? one : zero);
#if defined(__AVX512DQ__)
        if constexpr (sizeof(T) == 4)  // the smaller magnitude with the sign of v, in one instruction instead of four
            return reinterpret_cast<Vector>(
                _mm512_range_ps(reinterpret_cast<__m512>(v), reinterpret_cast<__m512>(one), 2));
#endif
        v = v > one ? one : v;
        return v < -one ? -one : v;
    }
    // Mirrors lanes × lanes numbers at the diagonal: shuffled like cards once for each bit of a lane's number.
    static void transpose(Vector (&rows)[lanes]) {
        Mask low, high;
        for (int i = 0; i < lanes; i++) {
            low[i] = i % 2 * lanes + i / 2;
            high[i] = low[i] + lanes / 2;
        }
        for (int step = 1; step < lanes; step *= 2) {
            Vector shuffled[lanes];
            for (int i = 0; i < lanes / 2; i++) {
                shuffled[2 * i] = __builtin_shuffle(rows[i], rows[i + lanes / 2], low);
                shuffled[2 * i + 1] = __builtin_shuffle(rows[i], rows[i + lanes / 2], high);
            }
            std::copy_n(shuffled, lanes, rows);
        }
    }
    static int64_t whole(int64_t n) { return (n + lanes - 1) / lanes * lanes; }
};

}  // namespace
