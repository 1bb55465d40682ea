/* Resources, pages, tags, policies and client tokens: what a naive list in memory does, the store does too. */
#include "daemon/store/page_token.h"
#include "daemon/store/tags.h"
#include "store_fixture.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define STEPS 1500
#define MODEL_MAX 400

typedef struct model_row {
    int scope, kind, parent, id, name, status;
    int64_t version, created_ms;
} model_row;

typedef struct model {
    model_row rows[MODEL_MAX];
    size_t count;
} model;

static unsigned random_below(unsigned limit)
{
    static uint64_t seed = 88172645463325252u; /* the same walk each time */

    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (unsigned)(seed >> 33) % limit;
}

/* Names that a careless query would mix up. */
static const char *const scopes[] = {"1:us", "1:u"};
static const char *const kinds[] = {"s-runtime", "runtime"};
static const char *const parents[] = {NULL, "p", "P"};
static const char *const ids[] = {"a", "A", "a ", "\xc3\xa4", "b", "b%", "_", "'", "10", "9", "z", "zz"};
static const char *const statuses[] = {"CREATING", "READY", "DELETING"};

static model_row random_row(void)
{
    return (model_row){.scope = (int)random_below(2),
                       .kind = (int)random_below(2),
                       .parent = (int)random_below(3),
                       .id = (int)random_below(ARRAY_SIZE(ids)),
                       .name = (int)random_below(ARRAY_SIZE(ids)),
                       .status = (int)random_below(3),
                       .version = 1,
                       .created_ms = 1000 + random_below(20)};
}

static resource_key key_of(const model_row *row)
{
    return (resource_key){
        .scope = scopes[row->scope], .kind = kinds[row->kind], .parent = parents[row->parent], .id = ids[row->id]};
}

static bool same_list(const model_row *a, const model_row *b)
{
    return a->scope == b->scope && a->kind == b->kind && a->parent == b->parent;
}

static model_row *find(model *m, const model_row *like, bool by_name)
{
    for (size_t i = 0; i < m->count; i++) {
        if (same_list(&m->rows[i], like) && (by_name ? m->rows[i].name == like->id : m->rows[i].id == like->id))
            return &m->rows[i];
    }
    return NULL;
}

typedef struct step {
    int action;
    model_row row;
    bool by_name;
    resource_change change;
    arena *memory;
    resource got;
    int64_t number;
} step;

static ac_status write_step(store_tx *tx, void *arg, ac_error *err)
{
    step *s = arg;
    resource_key key = key_of(&s->row);
    resource r = {.key = key,
                  .name = ids[s->row.name],
                  .status = statuses[s->row.status],
                  .body = "{\"n\": 1}",
                  .created_ms = s->row.created_ms};

    switch (s->action) {
    case 0:
        return resource_create(tx, &r, err);
    case 1:
        return resource_update(tx, &key, &s->change, &s->number, err);
    case 2:
        return resource_delete(tx, &key, s->change.version, err);
    default:
        return resource_delete_parts(tx, &key, &s->number, err);
    }
}

static ac_status read_step(store_tx *tx, void *arg, ac_error *err)
{
    step *s = arg;
    resource_key key = key_of(&s->row);

    AC_TRY(resource_count(tx, &key, &s->number, err));
    return s->by_name ? resource_get_by_name(tx, &key, s->memory, &s->got, err)
                      : resource_get(tx, &key, s->memory, &s->got, err);
}

static void check_read(store *s, model *m, const model_row *like)
{
    _cleanup_(arena_done) arena memory = ARENA_INIT;
    step read = {.row = *like, .by_name = random_below(2), .memory = &memory};
    const model_row *expected = find(m, like, read.by_name);
    int64_t count = 0;

    ac_status status = store_read(s, read_step, &read, NULL);
    for (size_t i = 0; i < m->count; i++)
        count += same_list(&m->rows[i], like);
    assert_int_equal(read.number, count);
    assert_int_equal(status, expected ? AC_OK : AC_ERR_NOT_FOUND);
    if (!expected)
        return;
    assert_string_equal(read.got.key.id, ids[expected->id]);
    assert_string_equal(read.got.name, ids[expected->name]);
    assert_string_equal(read.got.status, statuses[expected->status]);
    assert_true(read.got.version == expected->version && read.got.created_ms == expected->created_ms);
    assert_string_equal(read.got.body, "{\"n\": 1}");
    assert_int_equal(read.got.body_length, 8);
}

static void do_create(store *s, model *m, const model_row *row)
{
    step create = {.action = 0, .row = *row};
    bool taken = find(m, row, false) != NULL;

    for (size_t i = 0; i < m->count; i++)
        taken = taken || (same_list(&m->rows[i], row) && m->rows[i].name == row->name);
    assert_int_equal(store_write(s, write_step, &create, NULL), taken ? AC_ERR_CONFLICT : AC_OK);
    if (!taken) {
        assert_true(m->count < MODEL_MAX);
        m->rows[m->count++] = *row;
    }
}

static void do_update(store *s, model *m, const model_row *like)
{
    model_row *row = find(m, like, false);
    step update = {.action = 1, .row = *like};
    unsigned only = random_below(6);

    update.change.version = random_below(3) ? (row ? row->version : 1) : (int64_t)random_below(4);
    update.change.status = random_below(2) ? statuses[like->status] : NULL;
    update.change.only_in_status = only < 3 ? statuses[only] : NULL;
    bool fits = row && (!update.change.version || update.change.version == row->version) &&
                (only >= 3 || (int)only == row->status);
    assert_int_equal(store_write(s, write_step, &update, NULL), !row   ? AC_ERR_NOT_FOUND
                                                                : fits ? AC_OK
                                                                       : AC_ERR_CONFLICT);
    if (fits) {
        row->version++;
        assert_true(update.number == row->version);
        if (update.change.status)
            row->status = like->status;
    }
}

static void do_delete(store *s, model *m, const model_row *like)
{
    model_row *row = find(m, like, false);
    step delete = {.action = 2, .row = *like, .change = {.version = random_below(2) ? 0 : 1}};
    bool fits = row && (!delete.change.version || row->version == 1);

    assert_int_equal(store_write(s, write_step, &delete, NULL), !row   ? AC_ERR_NOT_FOUND
                                                                : fits ? AC_OK
                                                                       : AC_ERR_CONFLICT);
    if (fits)
        *row = m->rows[--m->count];
}

static void do_delete_parts(store *s, model *m, const model_row *like)
{
    step delete = {.action = 3, .row = *like};
    size_t kept = 0;

    assert_int_equal(store_write(s, write_step, &delete, NULL), AC_OK);
    for (size_t i = 0; i < m->count; i++) {
        if (!same_list(&m->rows[i], like))
            m->rows[kept++] = m->rows[i];
    }
    assert_true(delete.number == (int64_t)(m->count - kept));
    m->count = kept;
}

typedef struct listing {
    const resource_key *of;
    bool newest_first;
    size_t limit;
    char token[2049];
    arena *memory;
    resource_page page;
} listing;

static ac_status list_step(store_tx *tx, void *arg, ac_error *err)
{
    listing *l = arg;

    return resource_list(tx, l->of, l->newest_first, l->limit, l->token, l->memory, &l->page, err);
}

static int compare(const resource *a, const resource *b)
{
    if (a->created_ms != b->created_ms)
        return a->created_ms < b->created_ms ? -1 : 1;
    return strcmp(a->key.id, b->key.id);
}

/* Walk a list page by page while others change it: what was there all the time is seen once, nothing twice, all in
 * order. */
static void check_walk(store *s, model *m, const model_row *like)
{
    _cleanup_(arena_done) arena memory = ARENA_INIT;
    resource_key of = key_of(like);
    listing l = {.of = &of, .newest_first = random_below(2), .memory = &memory};
    bool there[ARRAY_SIZE(ids)], seen[ARRAY_SIZE(ids)] = {false};
    const resource *last = NULL;
    ac_error err;

    for (size_t i = 0; i < ARRAY_SIZE(ids); i++)
        there[i] = find(m, &(model_row){.scope = like->scope, .kind = like->kind, .parent = like->parent, .id = (int)i},
                        false) != NULL;
    do {
        l.limit = 1 + random_below(4);
        assert_ok(store_read(s, list_step, &l, &err));
        assert_true(l.page.count <= l.limit && (l.page.count == l.limit || !l.page.next_token));
        for (size_t i = 0; i < l.page.count; i++) {
            const resource *r = &l.page.items[i];
            size_t id = 0;
            while (strcmp(ids[id], r->key.id) != 0)
                id++;
            assert_false(seen[id]);
            seen[id] = true;
            assert_true(!last || (l.newest_first ? compare(last, r) > 0 : compare(last, r) < 0));
            last = r;
        }
        snprintf(l.token, sizeof(l.token), "%s", l.page.next_token ? l.page.next_token : "");
        model_row other = random_row();
        other.scope = like->scope, other.kind = like->kind, other.parent = like->parent;
        if (random_below(2) && !seen[other.id]) { /* what comes back with an earlier time could rightly be seen twice */
            if (find(m, &other, false)) {
                do_delete(s, m, &other);
                there[other.id] = there[other.id] && find(m, &other, false);
            } else {
                do_create(s, m, &other);
            }
        }
    } while (l.page.next_token);
    for (size_t i = 0; i < ARRAY_SIZE(ids); i++)
        assert_true(seen[i] || !there[i]);
}

static void resources_do_what_a_list_does(void **state)
{
    fixture *f = *state;
    model m = {.count = 0};

    for (int i = 0; i < STEPS; i++) {
        model_row row = random_row();
        switch (random_below(10)) {
        case 0:
        case 1:
        case 2:
        case 3:
            do_create(f->s, &m, &row);
            break;
        case 4:
        case 5:
            do_update(f->s, &m, &row);
            break;
        case 6:
            do_delete(f->s, &m, &row);
            break;
        case 7:
            check_walk(f->s, &m, &row);
            break;
        case 8:
            if (random_below(20) == 0)
                do_delete_parts(f->s, &m, &row);
            break;
        default:
            check_read(f->s, &m, &row);
            break;
        }
    }
    assert_true(m.count > 20);
}

static ac_status make_token(store_tx *tx, void *arg, ac_error *err)
{
    listing *l = arg;

    for (int i = 0; i < 3; i++) {
        resource r = {.key = *l->of, .status = "READY", .body = "{}"};
        char id[1001] = "";
        memset(id, 'a' + i, 1000);
        r.key.id = id;
        AC_TRY(resource_create(tx, &r, err));
    }
    return list_step(tx, l, err);
}

static void tokens_cannot_be_forged(void **state)
{
    fixture *f = *state;
    _cleanup_(arena_done) arena memory = ARENA_INIT;
    resource_key of = {.scope = "s", .kind = "k", .parent = "p"}, other = {.scope = "s", .kind = "kp", .parent = ""};
    listing l = {.of = &of, .limit = 1, .memory = &memory};
    ac_error err;

    assert_ok(store_write(f->s, make_token, &l, &err));
    const char *good = l.page.next_token;
    size_t length = strlen(good);
    assert_true(length <= 2048 &&
                strspn(good, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") == length);

    for (size_t i = 0; i < length; i++) {
        strcpy(l.token, good);
        for (int tries = 0; tries < 3; tries++) {
            l.token[i] = "A-z9+= \x7f"[random_below(8)];
            ac_status expected = l.token[i] == good[i] ? AC_OK : AC_ERR_INVALID;
            assert_int_equal(store_read(f->s, list_step, &l, &err), expected);
        }
    }
    for (size_t cut = 1; cut < length; cut += 7) {
        snprintf(l.token, sizeof(l.token), "%.*s", (int)cut, good);
        assert_int_equal(store_read(f->s, list_step, &l, &err), AC_ERR_INVALID);
    }
    memset(l.token, 'A', 2048);
    assert_int_equal(store_read(f->s, list_step, &l, &err), AC_ERR_INVALID);
    snprintf(l.token, sizeof(l.token), "%sA", good);
    assert_int_equal(store_read(f->s, list_step, &l, &err), AC_ERR_INVALID);

    strcpy(l.token, good);
    assert_ok(store_read(f->s, list_step, &l, &err));
    l.newest_first = true;
    assert_int_equal(store_read(f->s, list_step, &l, &err), AC_ERR_INVALID);
    l.newest_first = false;
    l.of = &other;
    assert_int_equal(store_read(f->s, list_step, &l, &err), AC_ERR_INVALID);
    l.of = &of;
    l.limit = 0;
    assert_int_equal(store_read(f->s, list_step, &l, &err), AC_ERR_INVALID);
    l.limit = RESOURCE_PAGE_MAX + 1;
    assert_int_equal(store_read(f->s, list_step, &l, &err), AC_ERR_INVALID);

    /* It outlives the daemon, and the row it stands on. */
    l.limit = 10;
    fixture_sql(f->s, "DELETE FROM resources WHERE id LIKE 'aaa%'");
    fixture_close(f);
    f->s = fixture_open(f, NULL);
    assert_ok(store_read(f->s, list_step, &l, &err));
    assert_int_equal(l.page.count, 2);
}

static ac_status tag_steps(store_tx *tx, void *arg, ac_error *err)
{
    static const tag two[] = {{"b", "1"}, {"a", ""}}, change[] = {{"b", "2"}};
    static const char *const names[] = {"a", "not there"};
    _cleanup_(arena_done) arena memory = ARENA_INIT;
    size_t count;
    tag *tags;
    const char *body;

    (void)arg;
    AC_TRY(tags_put(tx, "arn:1", two, 2, err));
    AC_TRY(tags_put(tx, "arn:1", change, 1, err));
    AC_TRY(tags_put(tx, "arn:2", two, 2, err));
    AC_TRY(tags_list(tx, "arn:1", &memory, &tags, &count, err));
    assert_int_equal(count, 2);
    assert_string_equal(tags[0].name, "a");
    assert_string_equal(tags[1].value, "2");
    AC_TRY(tags_remove(tx, "arn:1", names, 2, err));
    AC_TRY(policy_put(tx, "arn:1", "{}", err));
    AC_TRY(policy_put(tx, "arn:1", "{\"x\":1}", err));
    AC_TRY(policy_get(tx, "arn:1", &memory, &body, err));
    assert_string_equal(body, "{\"x\":1}");
    assert_int_equal(policy_get(tx, "arn:2", &memory, &body, err), AC_ERR_NOT_FOUND);
    AC_TRY(arn_forget(tx, "arn:1", err));
    AC_TRY(tags_list(tx, "arn:1", &memory, &tags, &count, err));
    assert_int_equal(count, 0);
    assert_int_equal(policy_get(tx, "arn:1", &memory, &body, err), AC_ERR_NOT_FOUND);
    return tags_list(tx, "arn:2", &memory, &tags, &count, err);
}

static ac_status too_many_tags(store_tx *tx, void *arg, ac_error *err)
{
    tag tags[TAGS_MAX + 1];
    char names[TAGS_MAX + 1][8];

    for (size_t i = 0; i < ARRAY_SIZE(tags); i++) {
        snprintf(names[i], sizeof(names[i]), "t%zu", i);
        tags[i] = (tag){names[i], "v"};
    }
    return tags_put(tx, "arn:3", tags, *(size_t *)arg, err);
}

static void tags_and_policies(void **state)
{
    fixture *f = *state;
    size_t count = TAGS_MAX;
    ac_error err;

    assert_ok(store_write(f->s, tag_steps, NULL, &err));
    assert_ok(store_write(f->s, too_many_tags, &count, &err));
    assert_ok(store_write(f->s, too_many_tags, &count, &err));
    count++;
    assert_int_equal(store_write(f->s, too_many_tags, &count, &err), AC_ERR_QUOTA);
    assert_int_equal(fixture_number(f->s, "SELECT COUNT(*) FROM tags WHERE arn = 'arn:3'"), TAGS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(resources_do_what_a_list_does, fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(tokens_cannot_be_forged, fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(tags_and_policies, fixture_set_up, fixture_tear_down),
    };

    fixture_require();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
