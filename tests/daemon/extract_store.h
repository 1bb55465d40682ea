/* extract_store.h - records in memory, for the tests of extraction: what is known, and changes applied to it. */
#ifndef TESTS_DAEMON_EXTRACT_STORE_H
#define TESTS_DAEMON_EXTRACT_STORE_H

#include "daemon/memory/extract/extract.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STORE_RECORDS_MAX 4096

typedef struct stored {
    char id[24];
    char *text;
    yyjson_doc *metadata;
    char session[32];
    char superseded_by[24]; /* "": it is not */
    bool reflection;
} stored;

typedef struct fake_store {
    stored records[STORE_RECORDS_MAX];
    size_t count;
    char session[32]; /* whose job is running */
    unsigned asked;
    ac_status fail; /* what nearest answers with; AC_OK: what is known */
} fake_store;

static inline void store_clear(fake_store *s)
{
    for (size_t i = 0; i < s->count; i++) {
        free(s->records[i].text);
        yyjson_doc_free(s->records[i].metadata);
    }
    memset(s, 0, sizeof *s);
}

/* All that stand, of the session or of the namespace: the engine has to find out which are near. */
static inline ac_status store_nearest(void *user, const extract_query *q, arena *a, extract_known **ret_known,
                                      size_t *ret_count, ac_error *err)
{
    fake_store *s = user;
    size_t count = 0;

    s->asked++;
    *ret_count = 0;
    if (s->fail != AC_OK)
        return ac_error_set(err, s->fail, "the store is out of order");
    *ret_known = arena_zalloc(a, (s->count + 1) * sizeof **ret_known);
    if (!*ret_known)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    for (size_t i = 0; i < s->count; i++) {
        stored *r = &s->records[i];

        if (r->superseded_by[0] || r->reflection != q->reflections || (!q->text && strcmp(r->session, s->session) != 0))
            continue;
        (*ret_known)[count++] =
            (extract_known){.id = r->id, .text = r->text, .metadata = yyjson_doc_get_root(r->metadata)};
    }
    *ret_count = count;
    return AC_OK;
}

static inline stored *store_find(fake_store *s, const char *id)
{
    for (size_t i = 0; i < s->count; i++)
        if (strcmp(s->records[i].id, id) == 0)
            return &s->records[i];
    return NULL;
}

static inline void store_put(fake_store *s, stored *r, const extract_change *c)
{
    free(r->text);
    yyjson_doc_free(r->metadata);
    r->text = strdup(c->text);
    r->metadata = yyjson_mut_val_imut_copy(c->metadata, NULL);
    r->reflection = c->reflection;
    snprintf(r->session, sizeof r->session, "%s", s->session);
}

/* False: a change that makes no sense. */
static inline bool store_apply(fake_store *s, const extract_change *changes, size_t count)
{
    const char *ids[EXTRACT_CHANGES_MAX] = {NULL};

    for (size_t i = 0; i < count; i++) {
        const extract_change *c = &changes[i];
        stored *r = c->action == EXTRACT_ADD ? &s->records[s->count] : store_find(s, c->id);

        if (!r || r->superseded_by[0] || s->count + 1 >= STORE_RECORDS_MAX)
            return false;
        if (c->action == EXTRACT_SUPERSEDE) {
            if (c->by >= i || !ids[c->by])
                return false;
            snprintf(r->superseded_by, sizeof r->superseded_by, "%s", ids[c->by]);
            continue;
        }
        if (!c->text || !*c->text || strlen(c->text) > EXTRACT_TEXT_BYTES_MAX || !c->metadata ||
            yyjson_mut_obj_size(c->metadata) > EXTRACT_METADATA_MAX)
            return false;
        if (c->action == EXTRACT_ADD)
            snprintf(r->id, sizeof r->id, "mem-%zu", s->count++);
        store_put(s, r, c);
        ids[i] = r->id;
    }
    return true;
}

#endif
