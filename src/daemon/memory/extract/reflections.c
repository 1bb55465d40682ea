/* reflections.c - what several episodes with the same intent teach: how many went well, and by what. */
#include "daemon/memory/extract/episodes.h"

#include "base/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ALIKE 0.3 /* shared stems of two intents */
#define TITLE_BYTES_MAX 120
#define HINT_BYTES_MAX 600
#define LIKES_MAX 16

typedef struct lesson {
    const episode *newest;
    episode likes[LIKES_MAX];
    size_t count, successes;
    bool outdated; /* one of the likes came later */
} lesson;

/* Another episode, of this run or known. */
typedef struct other {
    const char *text, *since;
    int64_t stated_ms;
} other;

/* Whether it came after the newest: then it has taught, or will teach, what there is to learn from both. */
static bool is_later(const plan *p, const other *o, const episode *e, int64_t stated_ms)
{
    size_t at;

    if (o->stated_ms != stated_ms)
        return o->stated_ms > stated_ms;
    at = builtin_find_turn(p, o->since);
    return at < p->task->turn_count && at > e->first;
}

/* Add an episode of before, when it wanted the same and is over. */
static ac_status consider(lesson *l, const plan *p, const other *o, int64_t stated_ms)
{
    double likeness = 0;
    episode e;

    if (l->count == LIKES_MAX || !episode_read(o->text, p->arena, &e) || !e.closed)
        return AC_OK;
    AC_TRY(rank_likeness(l->newest->intent, e.intent, p->arena, &likeness));
    if (likeness < ALIKE)
        return AC_OK;
    l->outdated = l->outdated || is_later(p, o, l->newest, stated_ms);
    l->successes += e.success;
    l->likes[l->count++] = e;
    return AC_OK;
}

static const plan_entry *pending(const plan *p, const char *id)
{
    for (size_t i = 0; i < p->count; i++)
        if (p->entries[i].change.id && strcmp(p->entries[i].change.id, id) == 0)
            return &p->entries[i];
    return NULL;
}

/* The episodes of this run, and the known ones that it does not change. */
static ac_status gather_likes(lesson *l, const plan *p, const char *since, int64_t stated_ms,
                              const extract_known *known, size_t count)
{
    for (size_t i = 0; i < p->count; i++) {
        const plan_entry *e = &p->entries[i];
        other o = {e->change.text, e->since, e->change.stated_ms};

        if (!e->change.reflection && e->since && strcmp(e->since, since) != 0)
            AC_TRY(consider(l, p, &o, stated_ms));
    }
    for (size_t i = 0; i < count; i++) {
        const char *begins = known_string(&known[i], EXTRACT_KEY_SINCE);
        other o = {known[i].text, begins, known_stated_ms(&known[i])};

        if ((begins && strcmp(begins, since) == 0) || pending(p, known[i].id))
            continue;
        AC_TRY(consider(l, p, &o, stated_ms));
    }
    return AC_OK;
}

/* The words of the intent that another episode's shares, as a title. */
static ac_status make_title(const lesson *l, arena *a, const char **ret_title)
{
    char title[TITLE_BYTES_MAX] = "";
    text_word *mine, *theirs;
    size_t count, other_count;

    AC_TRY(words_of(l->newest->intent, strlen(l->newest->intent), a, &mine, &count));
    AC_TRY(words_of(l->likes[0].intent, strlen(l->likes[0].intent), a, &theirs, &other_count));
    for (size_t i = 0; i < count; i++) {
        size_t used = strlen(title);
        bool shared = false;

        for (size_t k = 0; k < other_count && !mine[i].stop; k++)
            shared = shared || strcmp(mine[i].stem, theirs[k].stem) == 0;
        if (used + strlen(mine[i].text) + 2 > sizeof title)
            break;
        if (shared && strcmp(mine[i].text, "assistant") != 0 && strcmp(mine[i].text, "asks") != 0)
            snprintf(title + used, sizeof title - used, "%s%s", used ? " " : "", mine[i].text);
    }
    if (title[0] >= 'a' && title[0] <= 'z')
        title[0] = (char)(title[0] - 32);
    *ret_title = arena_copy(a, title, strlen(title));
    return *ret_title ? AC_OK : AC_ERR_NOMEM;
}

/* "What worked: ..." from the last thing done in an episode of that outcome; NULL: there is none. */
static const char *hint_of(const lesson *l, bool success, arena *a)
{
    const episode *e = l->newest->success == success ? l->newest : NULL;

    for (size_t i = 0; !e && i < l->count; i++)
        if (l->likes[i].success == success)
            e = &l->likes[i];
    if (!e || e->action_count == 0)
        return NULL;
    const char *last = e->actions[e->action_count - 1];
    size_t length = utf8_valid_prefix(last, strnlen(last, HINT_BYTES_MAX));

    return arena_format(a, "%s: %.*s", success ? "What worked" : "What did not work", (int)length, last);
}

static const char *reflection_text(const lesson *l, const char *title, arena *a)
{
    size_t all = l->count + 1, good = l->successes + l->newest->success;
    unsigned tenths = (unsigned)(10 * MAX(good, all - good) / all); /* how much they agree */
    const char *hints[3], *more;
    size_t count = 0;
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);

    hints[count++] = arena_format(a, "%zu of %zu such requests went well.", good, all);
    for (int success = 1; success >= 0; success--)
        if ((more = hint_of(l, success, a)))
            hints[count++] = more;
    yyjson_mut_val *list = doc && hints[0] ? yyjson_mut_arr_with_str(doc, hints, count) : NULL;
    yyjson_mut_val *root = list ? ac_json_pack(doc, "{s:s, s:s, s:o, s:f}", "title", title, "use_cases",
                                               l->newest->intent, "hints", list, "confidence", tenths / 10.0)
                                : NULL;
    char *text = root ? yyjson_mut_val_write(root, 0, NULL) : NULL;
    const char *copy = text ? arena_copy(a, text, strlen(text)) : NULL;

    free(text);
    yyjson_mut_doc_free(doc);
    return copy;
}

static bool has_title(const char *text, const char *title)
{
    static const ac_json_read_options limits = {.depth_max = 16};
    yyjson_doc *doc = NULL;
    bool same = false;

    if (ac_json_read(text, strlen(text), &limits, &doc, NULL) == AC_OK)
        same = strcmp(ac_json_string(yyjson_doc_get_root(doc), "title", ""), title) == 0;
    yyjson_doc_free(doc);
    return same;
}

static ac_status put(plan *p, const char *title, const char *text, int64_t stated_ms, size_t known_max, ac_error *err)
{
    extract_query query = {.text = title, .text_length = strlen(title), .count = known_max, .reflections = true};
    plan_entry entry = {.change = {.action = EXTRACT_ADD, .text = text, .reflection = true, .stated_ms = stated_ms}};
    extract_known *known = NULL;
    size_t count = 0;

    AC_TRY(p->task->nearest(p->task->user, &query, p->arena, &known, &count, err));
    for (size_t i = 0; i < count; i++) {
        if (!has_title(known[i].text, title))
            continue;
        if (strcmp(known[i].text, text) == 0 || known_stated_ms(&known[i]) > stated_ms)
            return AC_OK;
        entry.change.action = EXTRACT_UPDATE;
        entry.change.id = known[i].id;
        break;
    }
    return plan_add(p, &entry, NULL, err);
}

ac_status episode_reflect(plan *p, const episode *e, const char *since, int64_t stated_ms, size_t known_max,
                          ac_error *err)
{
    extract_query query = {.text = e->intent, .text_length = strlen(e->intent), .count = known_max};
    lesson l = {.newest = e};
    const char *title, *text;
    extract_known *known = NULL;
    size_t count = 0;

    AC_TRY(p->task->nearest(p->task->user, &query, p->arena, &known, &count, err));
    if (gather_likes(&l, p, since, stated_ms, known, count) != AC_OK)
        return extract_nomem(err);
    if (l.count == 0 || l.outdated)
        return AC_OK; /* once is no lesson */
    if (make_title(&l, p->arena, &title) != AC_OK)
        return extract_nomem(err);
    if (!*title)
        return AC_OK;
    text = reflection_text(&l, title, p->arena);
    return text ? put(p, title, text, stated_ms, known_max, err) : extract_nomem(err);
}
