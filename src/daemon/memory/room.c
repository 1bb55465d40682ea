/* room.c - the memory service joins the daemon; and the few helpers that all of its files use. */
#include "daemon/memory/room.h"

#include "base/clock.h"
#include "daemon/memory/extraction.h"

#include <stdlib.h>
#include <string.h>

#define SWEEP_PERIOD_MS (5 * 60 * 1000)

DEFINE_CLEANUP(yyjson_doc *, yyjson_doc_free)

static const front_operation operations[] = {
    {API_CREATE_MEMORY, create_memory, NULL, true},
    {API_GET_MEMORY, get_memory, NULL, false},
    {API_UPDATE_MEMORY, update_memory, NULL, true},
    {API_DELETE_MEMORY, delete_memory, NULL, true},
    {API_LIST_MEMORIES, list_memories, NULL, false},
    {API_CREATE_EVENT, create_event, NULL, false},
    {API_GET_EVENT, get_event, NULL, false},
    {API_DELETE_EVENT, delete_event, NULL, false},
    {API_LIST_EVENTS, list_events, NULL, false},
    {API_LIST_ACTORS, list_actors, NULL, false},
    {API_LIST_SESSIONS, list_sessions, NULL, false},
    {API_GET_MEMORY_RECORD, get_memory_record, NULL, false},
    {API_LIST_MEMORY_RECORDS, list_memory_records, NULL, false},
    {API_DELETE_MEMORY_RECORD, delete_memory_record, NULL, false},
    {API_BATCH_CREATE_MEMORY_RECORDS, batch_create_memory_records, NULL, false},
    {API_BATCH_UPDATE_MEMORY_RECORDS, batch_update_memory_records, NULL, false},
    {API_BATCH_DELETE_MEMORY_RECORDS, batch_delete_memory_records, NULL, false},
    {API_RETRIEVE_MEMORY_RECORDS, retrieve_memory_records, NULL, false},
    {API_LIST_MEMORY_EXTRACTION_JOBS, list_memory_extraction_jobs, NULL, false},
    {API_START_MEMORY_EXTRACTION_JOB, start_memory_extraction_job, NULL, false},
};

/* ---- helpers ---- */

ac_status memory_no_memory(ac_error *err)
{
    return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
}

ac_status memory_fail_as(ac_status status, const char *aws_name, ac_error *err)
{
    if (err) {
        strncpy(err->aws_name, aws_name, sizeof err->aws_name - 1);
        err->aws_name[sizeof err->aws_name - 1] = '\0';
    }
    return status;
}

ac_status memory_id_of(const front_call *call, const char **ret_id, ac_error *err)
{
    const char *text = front_text(call, "memoryId");
    resource_key key;

    *ret_id = text;
    if (strncmp(text, "arn:", strlen("arn:")) != 0)
        return AC_OK;
    AC_TRY(resource_of_arn(call, text, &key, err));
    *ret_id = key.id;
    return AC_OK;
}

ac_status memory_check_time(int64_t ms, const char *member, ac_error *err)
{
    if (ms >= 0 && ms <= clock_unix_ms() + MEMORY_AHEAD_MAX_MS)
        return AC_OK;
    return ac_error_set(err, AC_ERR_INVALID, "%s must not be before 1970 or more than ten years ahead", member);
}

ac_status memory_json_text(yyjson_mut_val *value, size_t bytes_max, arena *memory, const char **ret_text,
                           size_t *ret_length, ac_error *err)
{
    _cleanup_(buf_done) buf text = BUF_INIT(bytes_max);
    ac_status status = AC_OK;

    *ret_text = NULL;
    if (ret_length)
        *ret_length = 0;
    if (!value)
        return AC_OK;
    status = json_write(&text, value, JSON_COMPACT, NULL);
    if (status == AC_ERR_TOO_LARGE)
        return ac_error_set(err, AC_ERR_INVALID, "A value is larger than %zu bytes", bytes_max);
    *ret_text = status == AC_OK ? arena_copy(memory, text.data, text.length) : NULL;
    if (!*ret_text)
        return memory_no_memory(err);
    if (ret_length)
        *ret_length = text.length;
    return AC_OK;
}

ac_status memory_json_value(yyjson_mut_doc *doc, const char *text, size_t length, yyjson_mut_val **ret_value,
                            ac_error *err)
{
    _cleanup_(yyjson_doc_freep) yyjson_doc *parsed = NULL;
    ac_status status = ac_json_read(text, length, NULL, &parsed, err);

    if (status != AC_OK)
        return status == AC_ERR_NOMEM ? status : ac_error_set(err, AC_ERR_INTERNAL, "stored JSON is damaged");
    *ret_value = yyjson_val_mut_copy(doc, yyjson_doc_get_root(parsed));
    return *ret_value ? AC_OK : memory_no_memory(err);
}

/* ---- life ---- */

static void close_room(memory_room *room)
{
    memory_engines_close(room);
    memory_definitions_free(room->definitions);
    for (size_t i = 0; i < MEMORY_TURNS; i++)
        pthread_mutex_destroy(&room->turns[i]);
    free(room);
}

static ac_status join(agentcored *d, memory_room *room, ac_error *err)
{
    const job_handler handlers[] = {
        {.kind = MEMORY_JOB_SETTLE, .run = memory_settle, .arg = room},
        {.kind = MEMORY_JOB_DELETE, .run = memory_delete, .arg = room},
        {.kind = MEMORY_JOB_EXTRACT, .run = memory_extract, .arg = room},
        {.kind = MEMORY_JOB_DELIVER, .run = memory_deliver, .arg = room},
        {.kind = MEMORY_JOB_SWEEP, .run = memory_sweep, .arg = room, .period_ms = SWEEP_PERIOD_MS},
    };
    ac_status status = front_register(d->front, operations, ARRAY_SIZE(operations), room);

    if (status != AC_OK)
        return ac_error_set(err, status, "its operations are served by another room");
    for (size_t i = 0; i < ARRAY_SIZE(handlers); i++)
        AC_TRY(agentcored_add_job(d, &handlers[i], err));
    return AC_OK;
}

static ac_status start(agentcored *d, void **ret_room, ac_error *err)
{
    memory_room *room = calloc(1, sizeof *room);
    ac_status status;

    if (!room)
        return memory_no_memory(err);
    room->store = d->store;
    room->data_dir = d->config->data_dir;
    for (size_t i = 0; i < MEMORY_TURNS; i++)
        pthread_mutex_init(&room->turns[i], NULL);
    room->definitions = memory_definitions_new();
    status = room->definitions ? memory_engines_open(room, d->config, err) : memory_no_memory(err);
    if (status == AC_OK)
        status = join(d, room, err);
    if (status != AC_OK) {
        close_room(room);
        return status;
    }
    *ret_room = room;
    return AC_OK;
}

static void stop(void *room)
{
    if (room)
        close_room(room);
}

const daemon_room memory_room_row = {"memory", start, stop};
