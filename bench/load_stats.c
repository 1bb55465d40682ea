/* load_stats.c - clocks and a latency histogram of fixed size. */
#include "load.h"

#include <sys/resource.h>
#include <time.h>

uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

double cpu_seconds(void)
{
    struct rusage u;

    if (getrusage(RUSAGE_SELF, &u) != 0)
        return 0;
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/* Values below HISTOGRAM_STEPS have a cell each; above, the top bits after the leading one choose the step. */
static unsigned cell_of(uint64_t ns)
{
    unsigned shift, cell;

    if (ns < HISTOGRAM_STEPS)
        return (unsigned)ns;
    shift = 63u - (unsigned)__builtin_clzll(ns) - 6u;
    cell = (shift + 1) * HISTOGRAM_STEPS + (unsigned)((ns >> shift) - HISTOGRAM_STEPS);
    return cell < HISTOGRAM_SIZE ? cell : HISTOGRAM_SIZE - 1;
}

static double cell_middle(unsigned cell)
{
    unsigned shift;

    if (cell < HISTOGRAM_STEPS)
        return (double)cell;
    shift = cell / HISTOGRAM_STEPS - 1;
    return ((double)(cell % HISTOGRAM_STEPS + HISTOGRAM_STEPS) + 0.5) * (double)(1ull << shift);
}

void histogram_add(histogram *h, uint64_t ns)
{
    h->cells[cell_of(ns)]++;
    h->count++;
    if (ns > h->max_ns)
        h->max_ns = ns;
}

double histogram_quantile_us(const histogram *h, double q)
{
    uint64_t rank = (uint64_t)(q * (double)h->count), seen = 0;

    for (unsigned i = 0; i < HISTOGRAM_SIZE; i++) {
        seen += h->cells[i];
        if (seen > rank)
            return cell_middle(i) / 1000.0;
    }
    return (double)h->max_ns / 1000.0;
}
