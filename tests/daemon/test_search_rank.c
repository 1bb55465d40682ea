/* test_search_rank.c - ranking against a naive model of it: random records come, change and go, and every query must
 * find the same records with the same scores as a model that looks at everything anew.  And dot products in every
 * width. */
#include "daemon/memory/search/rank.h"
#include "daemon/memory/search/vectors.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define RECORDS_MAX 60
#define VOCABULARY 12
#define GROUPS 3
#define PARTS 2

/* Words that are their own stems and nothing else: neither stop words nor weak nor irregular. */
static const char *const vocabulary[VOCABULARY] = {"sushi", "violin", "robot", "panda", "tulip", "canyon",
                                                   "salad", "piano",  "comet", "zebra", "lemon", "anchor"};
static const char *const speakers[] = {"", "Anna: ", "Bob: "};
static const char *const groups[GROUPS] = {"", "a", NULL};

/* ---- the model ---- */

typedef struct model_record {
    bool alive;
    char id[16];
    double said[VOCABULARY], asked[VOCABULARY];
    double length, words, asked_words;
    int speaker, group;
    int64_t time_ms, sequence;
    int number; /* in the order of putting in */
    double score;
} model_record;

typedef struct model_part {
    model_record records[RECORDS_MAX];
    int puts;
} model_part;

static model_part parts[PARTS];
static const rank_weights *weights;

static int by_place(const void *a, const void *b)
{
    const model_record *left = *(model_record *const *)a, *right = *(model_record *const *)b;

    if (left->group != right->group)
        return left->group - right->group;
    if (left->time_ms != right->time_ms)
        return left->time_ms < right->time_ms ? -1 : 1;
    if (left->sequence != right->sequence)
        return left->sequence < right->sequence ? -1 : 1;
    return left->number - right->number;
}

static size_t in_order(model_part *p, model_record *list[RECORDS_MAX])
{
    size_t count = 0;

    for (int i = 0; i < RECORDS_MAX; i++)
        if (p->records[i].alive)
            list[count++] = &p->records[i];
    qsort(list, count, sizeof(model_record *), by_place);
    return count;
}

/* Whether all neighbours from a to b (places in the list) are of one conversation. */
static bool together(model_record **list, size_t a, size_t b)
{
    for (size_t i = a; i < b; i++)
        if (list[i]->group != list[i + 1]->group || groups[list[i]->group] == NULL ||
            list[i + 1]->time_ms - list[i]->time_ms > SEARCH_PAUSE_MS)
            return false;
    return true;
}

typedef struct question {
    int terms[VOCABULARY];
    int count;
    int speaker; /* index into speakers; 0: none */
} question;

typedef struct totals {
    double records, length, with[VOCABULARY];
    double full;
} totals;

static double rarity(const totals *t, double with)
{
    return log(1 + (t->records - with + 0.5) / (with + 0.5));
}

static double window_of(model_record **list, size_t count, size_t at, int term, double norm)
{
    const model_record *r = list[at];
    double sum = (r->said[term] + r->asked[term] * weights->question) / norm;

    for (size_t i = 1; i <= INDEX_WINDOW; i++) {
        if (at >= i && together(list, at - i, at)) {
            const model_record *b = list[at - i];
            sum += (b->said[term] + b->asked[term]) * weights->next * pow(weights->next_decay, (double)i - 1);
            sum += i == 1 ? b->asked[term] * weights->answer : 0;
        }
        if (at + i < count && together(list, at, at + i)) {
            const model_record *a = list[at + i];
            sum += (a->said[term] + a->asked[term] * weights->question_back) * weights->last *
                   pow(weights->last_decay, (double)i - 1);
        }
    }
    return sum;
}

static void score_part(model_part *p, const question *q, const totals *t)
{
    model_record *list[RECORDS_MAX];
    size_t count = in_order(p, list);

    for (size_t i = 0; i < count; i++) {
        model_record *r = list[i];
        double share = weights->length_share, norm = 1 - share + share * r->length / (t->length / t->records);

        r->score = 0;
        for (int j = 0; j < q->count; j++) {
            int term = q->terms[j];
            double weight = pow(rarity(t, t->with[term]), weights->rarity_power);
            double window = window_of(list, count, i, term, norm);
            double own = r->said[term] + r->asked[term] * weights->question;

            r->score += weight * window / (window + weights->window_half);
            if (own > 0)
                r->score += weight * weights->own * own / (own + weights->own_half * norm);
        }
        if (q->speaker && r->speaker == q->speaker)
            r->score *= 1 + weights->speaker;
        r->score *= 1 - weights->asks * (r->words ? r->asked_words / r->words : 0);
    }
}

static totals count_all(const question *q)
{
    totals t = {0};

    for (int p = 0; p < PARTS; p++)
        for (int i = 0; i < RECORDS_MAX; i++) {
            const model_record *r = &parts[p].records[i];

            if (!r->alive)
                continue;
            t.records++;
            t.length += r->length;
            for (int j = 0; j < VOCABULARY; j++)
                t.with[j] += r->said[j] + r->asked[j] > 0;
        }
    for (int i = 0; i < q->count; i++)
        t.full += pow(rarity(&t, t.with[q->terms[i]]), weights->rarity_power) *
                  (1 / (1 + weights->window_half) + weights->own / (1 + weights->own_half));
    return t;
}

static double calibrated(double score, double full)
{
    double part = full > 0 ? score / full : 0;

    return part <= 1 ? 0.9 * pow(part, 0.8) : 1 - 0.1 * exp(1 - part);
}

/* ---- random changes ---- */

static void write_words(model_record *r, char *text, size_t room)
{
    int sentences = 1 + rand() % 3;

    snprintf(text, room, "%s", speakers[r->speaker]);
    r->words = r->speaker != 0;
    r->length = r->speaker != 0; /* the name is a word of the text */
    for (int s = 0; s < sentences; s++) {
        bool asked = rand() % 3 == 0;
        int words = 1 + rand() % 6;

        for (int i = 0; i < words; i++) {
            int term = rand() % VOCABULARY;

            snprintf(text + strlen(text), room - strlen(text), "%s%s", i ? " the " : "", vocabulary[term]);
            r->words += i ? 2 : 1;
            r->length++;
            r->asked_words += asked ? (i ? 2 : 1) : 0;
            ++*(asked ? &r->asked[term] : &r->said[term]);
        }
        /* The name belongs to the first sentence. */
        r->asked_words += asked && s == 0 && r->speaker != 0;
        snprintf(text + strlen(text), room - strlen(text), "%s", asked ? "? " : ". ");
    }
}

static void change(search_index *x, model_part *p, text_reader *reader)
{
    int which = rand() % RECORDS_MAX;
    model_record *r = &p->records[which];
    char text[1024];
    ac_error err;

    if (r->alive && rand() % 3 == 0) {
        r->alive = false;
        index_remove(x, r->id);
        return;
    }
    *r = (model_record){.alive = true, .speaker = rand() % 3, .group = rand() % GROUPS, .number = p->puts++};
    snprintf(r->id, sizeof r->id, "r%d", which);
    r->time_ms = rand() % 10 * SEARCH_PAUSE_MS + rand() % 3;
    r->sequence = rand() % 4;
    write_words(r, text, sizeof text);
    search_record record = {.id = r->id,
                            .text = text,
                            .text_length = strlen(text),
                            .group = groups[r->group],
                            .time_ms = r->time_ms,
                            .sequence = r->sequence};
    assert_int_equal(index_put(x, reader, &record, "", NULL, &err), AC_OK);
}

static void ask_random(question *q, char *text, size_t room)
{
    *q = (question){.count = 1 + rand() % 3, .speaker = rand() % 3};
    snprintf(text, room, "did %s", q->speaker == 1 ? "anna " : q->speaker == 2 ? "bob " : "");
    for (int i = 0; i < q->count; i++) {
        bool again = true;

        while (again) {
            q->terms[i] = rand() % VOCABULARY;
            again = false;
            for (int j = 0; j < i; j++)
                again = again || q->terms[j] == q->terms[i];
        }
        snprintf(text + strlen(text), room - strlen(text), "the %s ", vocabulary[q->terms[i]]);
    }
}

static const model_record *model_of(const search_hit *hit)
{
    const model_record *r = &parts[hit->namespace_index].records[strtoul(hit->id + 1, NULL, 10)];

    assert_true(r->alive);
    return r;
}

/* Both names are known as speakers' from the start, also where nothing of theirs is left. */
static void introduce(search_index *x, text_reader *reader)
{
    for (int i = 1; i < 3; i++) {
        char text[32];
        search_record record = {.id = "introduction", .text = text};
        ac_error err;

        snprintf(text, sizeof text, "%shello", speakers[i]);
        record.text_length = strlen(text);
        assert_int_equal(index_put(x, reader, &record, "", NULL, &err), AC_OK);
    }
    index_remove(x, "introduction");
}

static void compare(search_index *const indexes[PARTS], text_reader *reader)
{
    _cleanup_(arena_done) arena a = ARENA_INIT;
    char text[512];
    question q;
    search_query query = {.top_k = 7, .matches_only = true};
    rank_target targets[PARTS];
    rank_request request = {.targets = targets, .target_count = PARTS, .query = &query, .weights = weights};
    search_hit *hits;
    ask *asked;
    size_t count, expected = 0;
    ac_error err;

    ask_random(&q, text, sizeof text);
    for (unsigned i = 0; i < PARTS; i++) {
        assert_int_equal(index_settle(indexes[i], NULL, &err), AC_OK);
        targets[i] = (rank_target){indexes[i], i};
    }
    assert_int_equal(ask_read(reader, NULL, text, strlen(text), 0, &a, &asked, &err), AC_OK);
    request.ask = asked;
    assert_int_equal(rank_run(&request, &a, &hits, &count, &err), AC_OK);

    totals t = count_all(&q);
    for (int p = 0; p < PARTS; p++)
        score_part(&parts[p], &q, &t);
    for (int p = 0; p < PARTS; p++)
        for (int i = 0; i < RECORDS_MAX; i++)
            expected += parts[p].records[i].alive && parts[p].records[i].score > 0;
    assert_int_equal(count, MIN(expected, query.top_k));
    for (size_t i = 0; i < count; i++) {
        const model_record *r = model_of(&hits[i]);

        assert_float_equal((float)hits[i].score, (float)calibrated(r->score, t.full), 1e-4F);
        assert_true(i == 0 || hits[i].score <= hits[i - 1].score);
    }
    /* Nothing better was left out. */
    for (int p = 0; p < PARTS && count == query.top_k; p++)
        for (int i = 0; i < RECORDS_MAX; i++) {
            const model_record *r = &parts[p].records[i];
            bool among = false;

            for (size_t j = 0; j < count; j++)
                among = among || model_of(&hits[j]) == r;
            assert_true(among || !r->alive || calibrated(r->score, t.full) <= hits[count - 1].score + 1e-4);
        }
}

static void test_against_the_model(void **state)
{
    _cleanup_(text_reader_freep) text_reader *reader = text_reader_new();
    rank_weights plain = rank_weights_default;

    (void)state;
    /* Names weigh nothing here, so that a question's weight is that of its terms; feedback is tested by its effect. */
    plain.feedback = plain.name = plain.several_apart = 0;
    weights = &plain;
    srand(3);
    for (int round = 0; round < 20; round++) {
        search_index *indexes[PARTS];

        memset(parts, 0, sizeof parts);
        for (int i = 0; i < PARTS; i++) {
            indexes[i] = index_new();
            assert_non_null(indexes[i]);
            introduce(indexes[i], reader);
        }
        for (int step = 0; step < 120; step++) {
            int p = rand() % PARTS;

            /* Few changes between queries, and many: both ways to put new records in their places. */
            for (int i = rand() % 10 == 0 ? 150 : 1 + rand() % 3; i > 0; i--)
                change(indexes[p], &parts[p], reader);
            compare(indexes, reader);
        }
        for (int i = 0; i < PARTS; i++)
            index_free(indexes[i]);
    }
}

/* ---- what an index does by itself ---- */

static void put(search_index *x, const char *id, const char *text, const char *metadata, int64_t time_ms)
{
    _cleanup_(text_reader_freep) text_reader *reader = text_reader_new();
    search_record record = {.id = id, .text = text, .text_length = strlen(text), .time_ms = time_ms};
    ac_error err;

    assert_int_equal(index_put(x, reader, &record, metadata, NULL, &err), AC_OK);
}

static void test_refusals(void **state)
{
    _cleanup_(index_freep) search_index *x = index_new();
    _cleanup_(text_reader_freep) text_reader *reader = text_reader_new();
    char id[SEARCH_ID_SIZE + 1];
    search_record record = {.id = "", .text = "sushi", .text_length = 5};
    ac_error err;

    (void)state;
    assert_int_equal(index_put(x, reader, &record, "", NULL, &err), AC_ERR_INVALID);
    memset(id, 'x', SEARCH_ID_SIZE);
    id[SEARCH_ID_SIZE] = '\0';
    record.id = id;
    assert_int_equal(index_put(x, reader, &record, "", NULL, &err), AC_ERR_INVALID);
    index_remove(x, "nobody");
    assert_int_equal(index_settle(x, NULL, &err), AC_OK);
    assert_int_equal(x->live_count, 0);
}

static void test_waste(void **state)
{
    _cleanup_(index_freep) search_index *x = index_new();

    (void)state;
    for (int i = 0; i < 1200; i++)
        put(x, "one", "sushi with tuna", "", i);
    assert_int_equal(x->live_count, 1);
    assert_true(index_is_wasteful(x));
    assert_true(index_bytes(x) > 1200 * sizeof(index_record));
}

/* ---- vectors ---- */

static void test_dot_products(void **state)
{
    static const size_t counts[] = {16, 32, 48, 64, 112, 256, 1024, 1040, 4096};
    float *a = NULL, *b = NULL;

    (void)state;
    srand(11);
    assert_int_equal(posix_memalign((void **)&a, 64, 4096 * sizeof(float)), 0);
    assert_int_equal(posix_memalign((void **)&b, 64, 4096 * sizeof(float)), 0);
    for (int round = 0; round < 50; round++)
        for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
            double exact = 0, size = 0;

            for (size_t j = 0; j < counts[i]; j++) {
                a[j] = (float)rand() / (float)RAND_MAX - 0.5F;
                b[j] = (float)rand() / (float)RAND_MAX - 0.5F;
                exact += (double)a[j] * b[j];
                size += fabs((double)a[j] * b[j]);
            }
            for (const vector_way *way = vector_ways(); way->name; way++)
                if (way->dot)
                    assert_true(fabs((double)way->dot(a, b, counts[i]) - exact) <= 1e-5 * size);
            assert_true(fabs((double)vector_dot(a, b, counts[i]) - exact) <= 1e-5 * size);
        }
    free(a);
    free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_the_model),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_waste),
        cmocka_unit_test(test_dot_products),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
