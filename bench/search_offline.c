/* search_offline.c - how well memory search finds, and how fast, without a service around it.
 *
 *   search_offline [--wordnet DIR|none] [--set WEIGHT=NUMBER]... [--misses yes] [--copies N]
 *                  [--vectors DIMENSIONS] FILE...
 *
 * Each FILE is one namespace, as JSON lines: first its records, then questions with the ids of the records that hold
 * the answer (bench/memory_recall --lines makes such files).
 *
 *     {"id": "D1:3", "text": "Caroline: I went ...", "time_ms": 1683554160000, "group": "", "sequence": 3}
 *     {"question": "When did Caroline ...", "relevant": ["D1:3"], "category": 2}
 *
 * --vectors gives records and questions random vectors, which spoils what is found: for timing too.
 * --copies puts every record in N times over, under other ids that count for nothing: for timing. */
#include "base/clock.h"
#include "daemon/memory/search/rank.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CATEGORIES 10
#define DEPTHS 3
#define QUESTIONS_MAX 100000

static const unsigned depths[DEPTHS] = {5, 10, 20};

typedef struct tally {
    unsigned questions;
    double any[DEPTHS], recall[DEPTHS], reciprocal;
} tally;

static rank_weights weights;
static wordnet *words;
static unsigned copies = 1;
static uint32_t dimensions; /* of random vectors; 0: none */
static bool misses;         /* show questions whose evidence is not all among the first ten */
static double times_us[QUESTIONS_MAX];
static size_t time_count;

static void die(const char *what, const ac_error *err)
{
    fprintf(stderr, "search_offline: %s: %s\n", what, err ? err->message : "failed");
    exit(1);
}

static void set_weight(const char *text)
{
    static const struct {
        const char *name;
        size_t offset;
    } fields[] = {
#define FIELD(name) {#name, offsetof(rank_weights, name)}
        FIELD(length_share), FIELD(window_half),   FIELD(own_half),        FIELD(own),           FIELD(next),
        FIELD(next_decay),   FIELD(last),          FIELD(last_decay),      FIELD(answer),        FIELD(asks),
        FIELD(question),     FIELD(question_back), FIELD(rarity_power),    FIELD(weak),          FIELD(name),
        FIELD(meaning),      FIELD(class_),        FIELD(speaker),         FIELD(moment),        FIELD(feedback),
        FIELD(vector),       FIELD(several_own),   FIELD(several_speaker), FIELD(several_apart),
#undef FIELD
    };
    const char *equals = strchr(text, '=');

    for (size_t i = 0; equals && i < ARRAY_SIZE(fields); i++)
        if (strlen(fields[i].name) == (size_t)(equals - text) &&
            strncmp(fields[i].name, text, (size_t)(equals - text)) == 0) {
            *(float *)(void *)((char *)&weights + fields[i].offset) = strtof(equals + 1, NULL);
            return;
        }
    die(text, NULL);
}

/* DIMENSIONS numbers, aligned and filled up with zeros. */
static const float *random_vector(void)
{
    static _Alignas(64) float vector[EMBEDDINGS_DIMENSIONS_MAX + 16];

    for (uint32_t i = 0; i < dimensions; i++)
        vector[i] = ((float)rand() / (float)RAND_MAX - 0.5F) / 16;
    return dimensions ? vector : NULL;
}

static void put(search_index *x, text_reader *reader, yyjson_val *line)
{
    char id[SEARCH_ID_SIZE];
    yyjson_val *text = yyjson_obj_get(line, "text");
    ac_error err;

    for (unsigned i = 0; i < copies; i++) {
        search_record record = {
            .id = id,
            .text = yyjson_get_str(text),
            .text_length = yyjson_get_len(text),
            .group = ac_json_string(line, "group", NULL),
            .time_ms = ac_json_int(line, "time_ms", 0) + i * INT64_C(864000000),
            .sequence = ac_json_int(line, "sequence", 0),
        };
        snprintf(id, sizeof id, i ? "%s/%u" : "%s", ac_json_string(line, "id", ""), i);
        if (index_put(x, reader, &record, "", random_vector(), &err) != AC_OK)
            die("put", &err);
    }
}

static bool is_among(const char *id, const search_hit *hits, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(id, hits[i].id) == 0)
            return true;
    return false;
}

static void show_misses(yyjson_val *line, const search_hit *hits, size_t count)
{
    yyjson_val *id, *relevant = yyjson_obj_get(line, "relevant");
    size_t at, max, lacking = 0;

    count = MIN(count, (size_t)depths[1]);
    yyjson_arr_foreach(relevant, at, max, id)
    {
        lacking += !is_among(yyjson_get_str(id), hits, count);
    }
    if (!lacking)
        return;
    printf("%s\n   lacking:", yyjson_get_str(yyjson_obj_get(line, "question")));
    yyjson_arr_foreach(relevant, at, max, id)
    {
        if (!is_among(yyjson_get_str(id), hits, count))
            printf(" %s", yyjson_get_str(id));
    }
    printf("\n   found:");
    for (size_t i = 0; i < count; i++)
        printf(" %s %.2f", hits[i].id, hits[i].score);
    printf("\n");
}

static void judge(tally *t, yyjson_val *relevant, const search_hit *hits, size_t count)
{
    size_t wanted = yyjson_arr_size(relevant), found[DEPTHS] = {0}, first = 0;

    if (!wanted)
        return;
    for (size_t i = 0; i < count; i++) {
        size_t at, max;
        yyjson_val *id;

        yyjson_arr_foreach(relevant, at, max, id)
        {
            if (strcmp(yyjson_get_str(id), hits[i].id) != 0)
                continue;
            first = first ? first : i + 1;
            for (size_t d = 0; d < DEPTHS; d++)
                found[d] += i < depths[d];
        }
    }
    t->questions++;
    for (size_t d = 0; d < DEPTHS; d++) {
        t->any[d] += found[d] > 0;
        t->recall[d] += (double)found[d] / (double)wanted;
    }
    t->reciprocal += first ? 1.0 / (double)first : 0;
}

/* Time that this thread has had, so that neighbours on the machine do not count. */
static double thread_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static void question(search_index *x, text_reader *reader, yyjson_val *line, tally *tallies)
{
    _cleanup_(arena_done) arena memory = ARENA_INIT;
    yyjson_val *text = yyjson_obj_get(line, "question");
    search_query query = {.top_k = depths[DEPTHS - 1]};
    rank_target target = {.index = x};
    rank_request request = {.targets = &target, .target_count = 1, .query = &query, .weights = &weights};
    int64_t category = ac_json_int(line, "category", 0);
    search_hit *hits;
    size_t count;
    ask *a;
    ac_error err;
    double begin;

    request.vector = random_vector();
    begin = thread_us();
    if (ask_read(reader, words, yyjson_get_str(text), yyjson_get_len(text), clock_unix_ms(), &memory, &a, &err) !=
        AC_OK)
        die("ask", &err);
    request.ask = a;
    if (rank_run(&request, &memory, &hits, &count, &err) != AC_OK)
        die("rank", &err);
    if (time_count < QUESTIONS_MAX)
        times_us[time_count++] = thread_us() - begin;
    if (misses)
        show_misses(line, hits, count);
    judge(&tallies[0], yyjson_obj_get(line, "relevant"), hits, count);
    if (category > 0 && category < CATEGORIES)
        judge(&tallies[category], yyjson_obj_get(line, "relevant"), hits, count);
}

static void show(const char *name, const tally *t)
{
    double n = t->questions ? t->questions : 1;

    printf("%-16s %5u questions  any@5/10/20 %5.1f %5.1f %5.1f  recall@5/10/20 %5.1f %5.1f %5.1f  MRR %.3f\n", name,
           t->questions, 100 * t->any[0] / n, 100 * t->any[1] / n, 100 * t->any[2] / n, 100 * t->recall[0] / n,
           100 * t->recall[1] / n, 100 * t->recall[2] / n, t->reciprocal / n);
}

static void add_tallies(tally *sum, const tally *t)
{
    for (size_t i = 0; i < CATEGORIES; i++) {
        sum[i].questions += t[i].questions;
        sum[i].reciprocal += t[i].reciprocal;
        for (size_t d = 0; d < DEPTHS; d++) {
            sum[i].any[d] += t[i].any[d];
            sum[i].recall[d] += t[i].recall[d];
        }
    }
}

static void run(const char *path, tally *sum)
{
    _cleanup_(index_freep) search_index *x = index_new();
    _cleanup_(text_reader_freep) text_reader *reader = text_reader_new();
    FILE *file = fopen(path, "re");
    tally tallies[CATEGORIES] = {0};
    char *line = NULL;
    size_t capacity = 0;
    ssize_t length;
    ac_error err;
    bool settled = false;
    uint64_t begin = clock_monotonic_ns();

    if (!file || !x || !reader)
        die(path, NULL);
    if (dimensions)
        index_want_vectors(x, dimensions);
    while ((length = getline(&line, &capacity, file)) > 0) {
        yyjson_doc *doc = yyjson_read(line, (size_t)length, 0);
        yyjson_val *root = yyjson_doc_get_root(doc);

        if (yyjson_obj_get(root, "question")) {
            if (!settled && index_settle(x, words, &err) != AC_OK)
                die("settle", &err);
            if (!settled && copies > 1)
                printf("%u records, %zu bytes, built in %.1f ms\n", x->live_count, index_bytes(x),
                       (double)(clock_monotonic_ns() - begin) / 1e6);
            settled = true;
            question(x, reader, root, tallies);
        } else if (root) {
            put(x, reader, root);
        }
        yyjson_doc_free(doc);
    }
    free(line);
    fclose(file);
    show(path, tallies);
    add_tallies(sum, tallies);
}

static int compare_times(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;

    return left < right ? -1 : left > right;
}

int main(int argc, char **argv)
{
    tally sum[CATEGORIES] = {0};
    const char *directory = WORDNET_DIR_DEFAULT;
    int i = 1;
    ac_error err;

    weights = rank_weights_default;
    for (; i < argc && strncmp(argv[i], "--", 2) == 0; i += 2) {
        if (i + 1 >= argc)
            die("an option lacks its value", NULL);
        if (strcmp(argv[i], "--set") == 0)
            set_weight(argv[i + 1]);
        else if (strcmp(argv[i], "--wordnet") == 0)
            directory = argv[i + 1];
        else if (strcmp(argv[i], "--vectors") == 0)
            dimensions = MIN((uint32_t)strtoul(argv[i + 1], NULL, 10), (uint32_t)EMBEDDINGS_DIMENSIONS_MAX);
        else if (strcmp(argv[i], "--misses") == 0)
            misses = strcmp(argv[i + 1], "yes") == 0;
        else if (strcmp(argv[i], "--copies") == 0)
            copies = (unsigned)strtoul(argv[i + 1], NULL, 10);
        else
            die(argv[i], NULL);
    }
    if (strcmp(directory, "none") != 0 && wordnet_open(directory, &words, &err) != AC_OK)
        die("WordNet", &err);
    for (; i < argc; i++)
        run(argv[i], sum);
    show("all", &sum[0]);
    for (int c = 1; c < CATEGORIES; c++) {
        char name[32];

        snprintf(name, sizeof name, "category %d", c);
        if (sum[c].questions)
            show(name, &sum[c]);
    }
    qsort(times_us, time_count, sizeof *times_us, compare_times);
    if (time_count)
        printf("query, time of the processor: p50 %.0f us, p99 %.0f us, most %.0f us\n", times_us[time_count / 2],
               times_us[time_count * 99 / 100], times_us[time_count - 1]);
    wordnet_close(words);
    return 0;
}
