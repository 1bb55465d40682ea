/* episodes.c - the built-in episodes.
 *
 * An episode begins with a request of the user, and goes on until he says how it went ("thanks, that worked") or asks
 * for something else.  One that is still open is stored, too, and its record is updated when the session goes on: it
 * remembers the turn it begins with (EXTRACT_KEY_SINCE) and the last one it knows of (EXTRACT_KEY_THROUGH). */
#include "daemon/memory/extract/episodes.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define ACTION_BYTES_MAX 240
#define SITUATION_BYTES_MAX 600
#define LIKE_BEFORE 0.04 /* of a request to what the episode was about: below, it is another matter */

typedef struct cutter {
    plan *plan;
    rewriter rewriter;
    episode list[EPISODES_MAX];
    size_t count;
    episode *open;
    buf about; /* what the user has said in the open episode */
} cutter;

/* ---- texts ---- */

const char *episode_text(const episode *e, arena *a)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *actions = doc ? yyjson_mut_arr_with_str(doc, (const char **)e->actions, e->action_count) : NULL;
    yyjson_mut_val *root = actions ? ac_json_pack(doc, "{s:s, s:s, s:o, s:s, s:s}", "situation", e->situation, "intent",
                                                  e->intent, "actions", actions, "outcome",
                                                  !e->closed   ? "open"
                                                  : e->success ? "success"
                                                               : "failure",
                                                  "evidence", e->evidence ? e->evidence : "")
                                   : NULL;
    char *text = root ? yyjson_mut_val_write(root, 0, NULL) : NULL;
    const char *copy = text ? arena_copy(a, text, strlen(text)) : NULL;

    free(text);
    yyjson_mut_doc_free(doc);
    return copy;
}

static const char *copy_of(yyjson_val *root, const char *key, arena *a)
{
    const char *text = ac_json_string(root, key, "");

    return arena_copy(a, text, strlen(text));
}

bool episode_read(const char *text, arena *a, episode *ret_episode)
{
    static const ac_json_read_options limits = {.depth_max = 16};
    yyjson_doc *doc = NULL;
    episode *e = ret_episode;

    *e = (episode){0};
    if (ac_json_read(text, strlen(text), &limits, &doc, NULL) != AC_OK)
        return false;
    yyjson_val *root = yyjson_doc_get_root(doc), *action;
    yyjson_arr_iter at = yyjson_arr_iter_with(yyjson_obj_get(root, "actions"));
    const char *outcome = ac_json_string(root, "outcome", "");
    bool ours = yyjson_is_str(yyjson_obj_get(root, "intent"));

    e->closed = strcmp(outcome, "open") != 0;
    e->success = strcmp(outcome, "success") == 0;
    e->situation = copy_of(root, "situation", a);
    e->intent = copy_of(root, "intent", a);
    e->evidence = copy_of(root, "evidence", a);
    while (e->action_count < ACTIONS_MAX && (action = yyjson_arr_iter_next(&at))) {
        const char *one = yyjson_get_str(action) ? yyjson_get_str(action) : "";

        e->actions[e->action_count] = arena_copy(a, one, strlen(one));
        ours = ours && e->actions[e->action_count];
        e->action_count++;
    }
    yyjson_doc_free(doc);
    return ours && e->situation && e->intent && e->evidence;
}

/* ---- how it went ---- */

static bool says(const char *text, const char *words)
{
    size_t length = strlen(words);

    for (const char *p = text; *p; p++)
        if (strncasecmp(p, words, length) == 0 && (p == text || !((p[-1] | 32) >= 'a' && (p[-1] | 32) <= 'z')) &&
            !((p[length] | 32) >= 'a' && (p[length] | 32) <= 'z'))
            return true;
    return false;
}

static bool says_any(const char *text, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (says(text, list[i]))
            return true;
    return false;
}

/* Whether a sentence ends an episode: 1 well, -1 badly, 0 not at all. */
static int verdict_of(const sentence *s)
{
    static const char *const bad[] = {
        "didn't work",       "did not work", "doesn't work", "does not work", "not working",  "never mind",
        "nevermind",         "forget it",    "give up",      "that's wrong",  "still broken", "still failing",
        "not what i wanted", "no luck",      "it failed",    "not helpful",   "useless",      "cancel that"};
    static const char *const good[] = {"thanks",       "thank you",   "thx",          "perfect",      "that worked",
                                       "that works",   "it works",    "it worked",    "works now",    "solved",
                                       "great job",    "well done",   "awesome",      "excellent",    "exactly what i",
                                       "that helps",   "that helped", "that's great", "sounds great", "problem fixed",
                                       "all good now", "looks good",  "wonderful"};

    if (s->question)
        return 0;
    if (says_any(s->text, bad, ARRAY_SIZE(bad)))
        return -1;
    return says_any(s->text, good, ARRAY_SIZE(good)) ? 1 : 0;
}

/* ---- cutting ---- */

static const char *shortened(const char *text, size_t most, arena *a)
{
    size_t length = strlen(text);

    if (length <= most)
        return arena_copy(a, text, length);
    while (most > 0 && text[most] != ' ')
        most--;
    return arena_format(a, "%.*s ...", (int)most, text);
}

static ac_status begin(cutter *c, size_t turn, const char *intent)
{
    episode *e;

    if (c->count == EPISODES_MAX) {
        c->open = NULL;
        return AC_OK;
    }
    e = &c->list[c->count++];
    *e = (episode){.first = turn, .last = turn, .intent = intent, .situation = "", .evidence = ""};
    c->open = e;
    c->about.length = 0;
    return buf_append_text(&c->about, intent);
}

static void end(cutter *c, int verdict, const char *evidence)
{
    episode *e = c->open;

    if (!e)
        return;
    e->closed = verdict != 0;
    e->success = verdict > 0;
    e->evidence = evidence;
    c->open = NULL;
}

/* Whether a request is about something else than the open episode, which has been answered. */
static ac_status is_other_matter(cutter *c, const char *request, bool *ret_other)
{
    double likeness = 1;

    *ret_other = false;
    if (!c->open || c->open->action_count == 0)
        return AC_OK;
    if (!buf_terminate(&c->about))
        return AC_ERR_NOMEM;
    AC_TRY(rank_likeness(request, c->about.data, c->plan->arena, &likeness));
    *ret_other = likeness < LIKE_BEFORE;
    return AC_OK;
}

static ac_status add_situation(episode *e, const rewriter *r, size_t from, arena *a)
{
    for (size_t i = from; i < r->count; i++) {
        const char *more = r->facts[i].text;

        if (strstr(e->situation, more) || strlen(e->situation) + strlen(more) > SITUATION_BYTES_MAX)
            continue;
        e->situation = arena_format(a, "%s%s%s", e->situation, *e->situation ? " " : "", more);
        if (!e->situation)
            return AC_ERR_NOMEM;
    }
    return AC_OK;
}

static ac_status take_request(cutter *c, size_t turn, const char *request)
{
    bool other = false;

    if (!c->open)
        return begin(c, turn, request);
    AC_TRY(is_other_matter(c, request, &other));
    if (other) {
        end(c, 0, "");
        return begin(c, turn, request);
    }
    return buf_append_text(&c->about, request) == AC_ERR_NOMEM ? AC_ERR_NOMEM : AC_OK;
}

static ac_status take_user(cutter *c, size_t number, const extract_turn *turn)
{
    arena *a = c->plan->arena;
    size_t count, before = c->rewriter.count;
    sentence *sentences;

    AC_TRY(builtin_sentences(turn, a, &sentences, &count));
    rewriter_turn(&c->rewriter, turn->timestamp_ms);
    for (size_t i = 0; i < count; i++) {
        bool judged = !c->open || c->open->action_count > 0;
        int verdict = judged ? verdict_of(&sentences[i]) : 0;
        const char *request;

        if (verdict && !c->open)
            continue; /* about something that is over */
        if (verdict) {
            c->open->last = number;
            end(c, verdict, sentences[i].text);
            continue;
        }
        AC_TRY(rewrite_sentence(&c->rewriter, &sentences[i]));
        AC_TRY(rewrite_request(&c->rewriter, &sentences[i], &request));
        if (request)
            AC_TRY(take_request(c, number, request));
    }
    if (c->open) {
        c->open->last = number;
        return add_situation(c->open, &c->rewriter, before, a);
    }
    return AC_OK;
}

/* What was done: the first thing that the assistant or a tool says in a turn. */
static ac_status take_action(cutter *c, size_t number, const extract_turn *turn)
{
    arena *a = c->plan->arena;
    const char *who = turn_is(turn, "TOOL") ? "A tool answered" : "The assistant";
    episode *e = c->open;
    sentence *sentences;
    size_t count;

    if (!e)
        return AC_OK;
    e->last = number;
    AC_TRY(builtin_sentences(turn, a, &sentences, &count));
    if (count == 0 || e->action_count == ACTIONS_MAX)
        return AC_OK;
    const char *text = shortened(sentences[0].text, ACTION_BYTES_MAX, a);
    const char *action = text ? arena_format(a, "%s: %s", who, text) : NULL;
    if (!action)
        return AC_ERR_NOMEM;
    e->actions[e->action_count++] = action;
    return AC_OK;
}

static ac_status cut(cutter *c, size_t from)
{
    const extract_task *t = c->plan->task;

    for (size_t i = from; i < t->turn_count; i++) {
        if (turn_is(&t->turns[i], "USER"))
            AC_TRY(take_user(c, i, &t->turns[i]));
        else if (turn_is(&t->turns[i], "ASSISTANT") || turn_is(&t->turns[i], "TOOL"))
            AC_TRY(take_action(c, i, &t->turns[i]));
    }
    return AC_OK;
}

/* ---- with what is known ---- */

/* Where to begin to read, with the episode that was left open when its first turn is no longer in the window. */
static ac_status resume(cutter *c, const extract_known *known, size_t count, size_t *ret_from)
{
    plan *p = c->plan;
    const extract_known *last = count ? &known[count - 1] : NULL;
    size_t through;
    episode e;

    *ret_from = 0;
    if (!last)
        return AC_OK;
    /* From the first episode that begins in the window, all is here, and is read again. */
    for (size_t i = 0; i < count; i++) {
        size_t since = builtin_find_turn(p, known_string(&known[i], EXTRACT_KEY_SINCE));

        if (since < p->task->turn_count) {
            *ret_from = since;
            return AC_OK;
        }
    }
    through = builtin_find_turn(p, known_string(last, EXTRACT_KEY_THROUGH));
    if (through < p->task->turn_count)
        *ret_from = through + 1;
    else if (known_stated_ms(last) > p->task->turns[p->task->turn_count - 1].timestamp_ms)
        *ret_from = p->task->turn_count; /* an old job done again */
    if (*ret_from < p->task->turn_count && episode_read(last->text, p->arena, &e) && !e.closed) {
        e.continues = last;
        e.first = e.last = *ret_from;
        c->list[c->count++] = e;
        c->open = &c->list[0];
        return buf_append_text(&c->about, e.intent);
    }
    return AC_OK;
}

static const extract_known *find_known(const extract_known *known, size_t count, const char *since)
{
    for (size_t i = 0; i < count; i++) {
        const char *other = known_string(&known[i], EXTRACT_KEY_SINCE);

        if (other && strcmp(other, since) == 0)
            return &known[i];
    }
    return NULL;
}

static ac_status put(plan *p, const episode *e, const extract_known *known, size_t count, size_t known_max,
                     ac_error *err)
{
    const extract_turn *last = &p->task->turns[e->last];
    /* A client may have put other metadata in place of ours: what the first turn was is not known then. */
    const char *noted = e->continues ? known_string(e->continues, EXTRACT_KEY_SINCE) : NULL;
    const char *since = !e->continues ? plan_turn_key(p->arena, &p->task->turns[e->first])
                        : noted       ? noted
                                      : e->continues->id;
    const extract_known *old = e->continues ? e->continues : since ? find_known(known, count, since) : NULL;
    plan_entry entry = {.change = {.action = old ? EXTRACT_UPDATE : EXTRACT_ADD,
                                   .id = old ? old->id : NULL,
                                   .text = episode_text(e, p->arena),
                                   .stated_ms = last->timestamp_ms},
                        .since = since,
                        .through = plan_turn_key(p->arena, last)};

    if (!since || !entry.through || !entry.change.text)
        return extract_nomem(err);
    if (strlen(entry.change.text) > EXTRACT_TEXT_BYTES_MAX)
        return AC_OK;
    if (!old || (strcmp(old->text, entry.change.text) != 0 && known_stated_ms(old) <= last->timestamp_ms))
        AC_TRY(plan_add(p, &entry, NULL, err));
    return p->task->reflect && e->closed ? episode_reflect(p, e, since, last->timestamp_ms, known_max, err) : AC_OK;
}

ac_status builtin_episodes(plan *p, size_t known_max, ac_error *err)
{
    cutter *c = arena_zalloc(p->arena, sizeof *c);
    extract_known *known;
    size_t count, from;
    ac_status status;

    if (!c)
        return extract_nomem(err);
    AC_TRY(builtin_of_session(p, EPISODES_MAX, &known, &count, err));
    c->plan = p;
    c->about = BUF_INIT((size_t)64 << 10);
    rewriter_begin(&c->rewriter, p->arena);
    status = resume(c, known, count, &from);
    if (status == AC_OK)
        status = cut(c, from);
    buf_done(&c->about);
    if (status != AC_OK)
        return extract_nomem(err);
    for (size_t i = 0; i < c->count; i++)
        if (c->list[i].last >= p->task->first_new && c->list[i].action_count > 0)
            AC_TRY(put(p, &c->list[i], known, count, known_max, err));
    return AC_OK;
}
