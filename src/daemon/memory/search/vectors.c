/* vectors.c - one dot product in the widths of the processors we run on; which one is decided when it is first used.
 *
 * Four sums run beside each other: a single one would wait for each addition before the next. */
#include "daemon/memory/search/vectors.h"

#include "base/util.h"

#include <pthread.h>
#include <stdbool.h>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

static float dot_scalar(const float *a, const float *b, size_t count)
{
    float sums[4] = {0};

    for (size_t i = 0; i < count; i += 4)
        for (size_t j = 0; j < 4; j++)
            sums[j] += a[i + j] * b[i + j];
    return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

#if defined(__x86_64__)

__attribute__((target("avx2,fma"))) static float dot_avx2(const float *a, const float *b, size_t count)
{
    __m256 first = _mm256_setzero_ps(), second = _mm256_setzero_ps();
    __m256 third = _mm256_setzero_ps(), fourth = _mm256_setzero_ps();
    size_t i = 0;

    for (; i + 32 <= count; i += 32) {
        first = _mm256_fmadd_ps(_mm256_load_ps(a + i), _mm256_load_ps(b + i), first);
        second = _mm256_fmadd_ps(_mm256_load_ps(a + i + 8), _mm256_load_ps(b + i + 8), second);
        third = _mm256_fmadd_ps(_mm256_load_ps(a + i + 16), _mm256_load_ps(b + i + 16), third);
        fourth = _mm256_fmadd_ps(_mm256_load_ps(a + i + 24), _mm256_load_ps(b + i + 24), fourth);
    }
    for (; i < count; i += 8)
        first = _mm256_fmadd_ps(_mm256_load_ps(a + i), _mm256_load_ps(b + i), first);
    first = _mm256_add_ps(_mm256_add_ps(first, second), _mm256_add_ps(third, fourth));
    __m128 half = _mm_add_ps(_mm256_castps256_ps128(first), _mm256_extractf128_ps(first, 1));
    half = _mm_add_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
}

__attribute__((target("avx512f"))) static float dot_avx512(const float *a, const float *b, size_t count)
{
    __m512 first = _mm512_setzero_ps(), second = _mm512_setzero_ps();
    __m512 third = _mm512_setzero_ps(), fourth = _mm512_setzero_ps();
    size_t i = 0;

    for (; i + 64 <= count; i += 64) {
        first = _mm512_fmadd_ps(_mm512_load_ps(a + i), _mm512_load_ps(b + i), first);
        second = _mm512_fmadd_ps(_mm512_load_ps(a + i + 16), _mm512_load_ps(b + i + 16), second);
        third = _mm512_fmadd_ps(_mm512_load_ps(a + i + 32), _mm512_load_ps(b + i + 32), third);
        fourth = _mm512_fmadd_ps(_mm512_load_ps(a + i + 48), _mm512_load_ps(b + i + 48), fourth);
    }
    for (; i < count; i += 16)
        first = _mm512_fmadd_ps(_mm512_load_ps(a + i), _mm512_load_ps(b + i), first);
    return _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(first, second), _mm512_add_ps(third, fourth)));
}

static vector_way ways[] = {{"avx512", NULL}, {"avx2", NULL}, {"scalar", dot_scalar}, {NULL, NULL}};

static void look(void)
{
    if (__builtin_cpu_supports("avx512f"))
        ways[0].dot = dot_avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        ways[1].dot = dot_avx2;
}

#elif defined(__aarch64__)

static float dot_neon(const float *a, const float *b, size_t count)
{
    float32x4_t first = vdupq_n_f32(0), second = vdupq_n_f32(0), third = vdupq_n_f32(0), fourth = vdupq_n_f32(0);

    for (size_t i = 0; i < count; i += 16) {
        first = vfmaq_f32(first, vld1q_f32(a + i), vld1q_f32(b + i));
        second = vfmaq_f32(second, vld1q_f32(a + i + 4), vld1q_f32(b + i + 4));
        third = vfmaq_f32(third, vld1q_f32(a + i + 8), vld1q_f32(b + i + 8));
        fourth = vfmaq_f32(fourth, vld1q_f32(a + i + 12), vld1q_f32(b + i + 12));
    }
    return vaddvq_f32(vaddq_f32(vaddq_f32(first, second), vaddq_f32(third, fourth)));
}

/* Every 64-bit ARM has NEON. */
static vector_way ways[] = {{"neon", dot_neon}, {"scalar", dot_scalar}, {NULL, NULL}};

static void look(void)
{
}

#else

static vector_way ways[] = {{"scalar", dot_scalar}, {NULL, NULL}};

static void look(void)
{
}

#endif

static pthread_once_t looked = PTHREAD_ONCE_INIT;
static vector_dot_fn chosen;

static void choose(void)
{
    const vector_way *way = ways;

    look();
    while (!way->dot)
        way++;
    chosen = way->dot;
}

float vector_dot(const float *a, const float *b, size_t count)
{
    pthread_once(&looked, choose);
    return chosen(a, b, count);
}

const vector_way *vector_ways(void)
{
    pthread_once(&looked, choose);
    return ways;
}
