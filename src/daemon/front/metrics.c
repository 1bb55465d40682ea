/* metrics.c - what the front counts, as Prometheus text (exposition format 0.0.4). */
#include "daemon/front/front_internal.h"

/* Upper bounds in microseconds: from a cached read to a slow judge. */
static const uint64_t bounds_us[METRICS_BUCKETS] = {100,   250,   500,    1000,    2500,    5000,
                                                    10000, 50000, 250000, 1000000, 5000000, 30000000};

static operation_metrics *of_operation(front_metrics *m, const api_operation *operation)
{
    return &m->operations[operation && operation->described ? (size_t)api_id_of(operation) : API_DESCRIBED_COUNT];
}

void metrics_count(front_metrics *m, const api_operation *operation, int status, uint64_t duration_us)
{
    operation_metrics *o = of_operation(m, operation);
    size_t bucket = 0;

    while (bucket < METRICS_BUCKETS && duration_us > bounds_us[bucket])
        bucket++;
    atomic_fetch_add_explicit(&o->by_class[status / 100 % 6], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&o->buckets[bucket], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&o->total_us, duration_us, memory_order_relaxed);
}

static const char *name_of(size_t index)
{
    return index < API_DESCRIBED_COUNT ? api_name(api_get((api_id)index)) : "none";
}

static bool ever_called(const operation_metrics *o)
{
    for (size_t i = 0; i <= METRICS_BUCKETS; i++)
        if (atomic_load_explicit(&o->buckets[i], memory_order_relaxed))
            return true;
    return false;
}

static ac_status write_requests(const front_metrics *m, buf *out)
{
    AC_TRY(buf_append_text(out, "# HELP agentcored_requests_total Requests answered, by operation and status class.\n"
                                "# TYPE agentcored_requests_total counter\n"));
    for (size_t i = 0; i <= API_DESCRIBED_COUNT; i++)
        for (size_t class = 1; class < 6; class ++) {
            uint64_t count = atomic_load_explicit(&m->operations[i].by_class[class], memory_order_relaxed);
            if (count)
                AC_TRY(buf_appendf(out, "agentcored_requests_total{operation=\"%s\",status=\"%zuxx\"} %llu\n",
                                   name_of(i), class, (unsigned long long)count));
        }
    return AC_OK;
}

static ac_status write_histogram(const operation_metrics *o, const char *name, buf *out)
{
    uint64_t sum = 0;

    for (size_t b = 0; b <= METRICS_BUCKETS; b++) {
        sum += atomic_load_explicit(&o->buckets[b], memory_order_relaxed);
        if (b < METRICS_BUCKETS)
            AC_TRY(buf_appendf(out, "agentcored_request_seconds_bucket{operation=\"%s\",le=\"%g\"} %llu\n", name,
                               (double)bounds_us[b] / 1e6, (unsigned long long)sum));
    }
    return buf_appendf(out,
                       "agentcored_request_seconds_bucket{operation=\"%s\",le=\"+Inf\"} %llu\n"
                       "agentcored_request_seconds_sum{operation=\"%s\"} %.6f\n"
                       "agentcored_request_seconds_count{operation=\"%s\"} %llu\n",
                       name, (unsigned long long)sum, name,
                       (double)atomic_load_explicit(&o->total_us, memory_order_relaxed) / 1e6, name,
                       (unsigned long long)sum);
}

ac_status metrics_write(const front *f, buf *out)
{
    const front_metrics *m = &f->metrics;

    AC_TRY(write_requests(m, out));
    AC_TRY(buf_append_text(out,
                           "# HELP agentcored_request_seconds Time from the end of the request's head to its answer.\n"
                           "# TYPE agentcored_request_seconds histogram\n"));
    for (size_t i = 0; i <= API_DESCRIBED_COUNT; i++)
        if (ever_called(&m->operations[i]))
            AC_TRY(write_histogram(&m->operations[i], name_of(i), out));
    AC_TRY(buf_appendf(out,
                       "# TYPE agentcored_requests_in_flight gauge\nagentcored_requests_in_flight %u\n"
                       "# TYPE agentcored_connections gauge\nagentcored_connections %u\n",
                       atomic_load_explicit(&m->in_flight, memory_order_relaxed), http_server_connections(f->server)));
    return f->options.metrics ? f->options.metrics(out, f->options.user) : AC_OK;
}
