/* self_managed.c - strategies whose owners draw the knowledge themselves: what was said is written to a file and a
 * notice of it is sent, as AWS puts it into S3 and publishes to SNS.
 *
 *     DATA/buckets/BUCKET/memory/MEMORY/STRATEGY/SESSION/JOB.json    the payload: s3://BUCKET/memory/...
 *     DATA/topics/TOPIC/JOB.json                                     the notice, as SNS sends it by HTTP
 *     POST {memory-notices-url}/TOPIC                                the same, where there is such a URL
 *
 * The job runs at each event and looks whether a trigger fires: so many messages, so many tokens, or silence, for which
 * it comes back.  A job's name is made of what it delivers, so doing it again after a crash delivers the same once more
 * under the same name. */
#include "daemon/memory/extraction.h"

#include "base/clock.h"
#include "base/hex.h"
#include "daemon/files.h"

#include <errno.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define EVENTS_AT_ONCE 1000
#define BYTES_PER_TOKEN 4 /* of English, about */
#define JOB_NAME_SIZE 33
#define PAYLOAD_BYTES_MAX ((size_t)128 << 20)
#define NOTICE_BYTES_MAX ((size_t)64 << 10)
#define NOTICE_TIMEOUT_MS 10000
#define TOPIC_NAME_MAX 256 /* of SNS */

DEFINE_CLEANUP(yyjson_mut_doc *, yyjson_mut_doc_free)

typedef struct delivery {
    memory_room *room;
    const job *job;
    arena memory;
    extraction_task task;
    extraction_window window;
    yyjson_val *configuration; /* selfManagedConfiguration */
    bool fires;
    int64_t again_ms; /* until silence would fire; 0: never */
    char name[JOB_NAME_SIZE];
    const char *bucket, *key, *topic_arn, *topic;
} delivery;

static void delivery_done(delivery *d)
{
    extraction_window_done(&d->window);
    arena_done(&d->memory);
}

/* ---- triggers ---- */

static yyjson_val *configuration_of(const memory_strategy *s)
{
    return yyjson_obj_get(yyjson_obj_get(s->stored, "configuration"), "selfManagedConfiguration");
}

/* The number of a trigger condition; 0: there is no such condition. */
static int64_t trigger_of(yyjson_val *configuration, const char *trigger, const char *member)
{
    yyjson_val *conditions = yyjson_obj_get(configuration, "triggerConditions"), *each;
    size_t index, count;

    yyjson_arr_foreach(conditions, index, count, each)
    {
        int64_t number = ac_json_int(yyjson_obj_get(each, trigger), member, 0);

        if (number > 0)
            return number;
    }
    return 0;
}

static void look_at_triggers(delivery *d)
{
    const extraction_window *w = &d->window;
    int64_t messages = trigger_of(d->configuration, "messageBasedTrigger", "messageCount");
    int64_t tokens = trigger_of(d->configuration, "tokenBasedTrigger", "tokenCount");
    int64_t idle_ms = trigger_of(d->configuration, "timeBasedTrigger", "idleSessionTimeout") * 1000;
    int64_t bytes = 0, last_ms = 0, left_ms;

    for (size_t i = w->first_new; i < w->turn_count; i++) {
        bytes += (int64_t)w->turns[i].text_length;
        last_ms = MAX(last_ms, w->arrived_ms[i]);
    }
    left_ms = last_ms + idle_ms - clock_unix_ms();
    d->fires = (messages && (int64_t)(w->turn_count - w->first_new) >= messages) ||
               (tokens && bytes / BYTES_PER_TOKEN >= tokens) || (idle_ms && left_ms <= 0) || w->more;
    d->again_ms = idle_ms && !d->fires ? MAX(left_ms, (int64_t)1) : 0;
}

/* ---- where things go ---- */

static ac_status name_job(delivery *d, ac_error *err)
{
    unsigned char hash[EVP_MAX_MD_SIZE];
    char *text = arena_format(&d->memory, "%s %s %lld %lld %lld", d->task.memory_id, d->task.strategy_id,
                              (long long)d->task.session, (long long)d->window.cursor, (long long)d->window.next);

    if (!text)
        return memory_no_memory(err);
    if (!EVP_Digest(text, strlen(text), hash, NULL, EVP_sha256(), NULL))
        return ac_error_set(err, AC_ERR_INTERNAL, "a job cannot be named");
    hex_write(hash, (JOB_NAME_SIZE - 1) / 2, d->name);
    return AC_OK;
}

/* Whether a text can be one name in a path. */
static bool is_name(const char *text, size_t max)
{
    size_t length = strlen(text);

    return length > 0 && length <= max && text[0] != '.' &&
           strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == length;
}

static ac_status find_places(delivery *d, ac_error *err)
{
    yyjson_val *invocation = yyjson_obj_get(d->configuration, "invocationConfiguration");
    const char *colon;

    d->bucket = ac_json_string(invocation, "payloadDeliveryBucketName", "");
    d->topic_arn = ac_json_string(invocation, "topicArn", "");
    colon = strrchr(d->topic_arn, ':');
    d->topic = colon ? colon + 1 : "";
    if (!is_name(d->bucket, NAME_MAX) || !is_name(d->topic, TOPIC_NAME_MAX))
        return ac_error_set(err, AC_ERR_INVALID, "the bucket or the topic of the strategy cannot be a name here");
    AC_TRY(name_job(d, err));
    d->key = arena_format(&d->memory, "memory/%s/%s/%s/%s.json", d->task.memory_id, d->task.strategy_id,
                          d->window.session, d->name);
    return d->key ? AC_OK : memory_no_memory(err);
}

/* Make the directories of a path below the data directory. */
static ac_status make_directories(char *path, size_t from, ac_error *err)
{
    for (char *slash = strchr(path + from, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        int rc = mkdir(path, 0700);
        *slash = '/';
        if (rc != 0 && errno != EEXIST)
            return ac_error_set(err, AC_ERR_IO, "cannot make a directory of %s: %s", path, strerror(errno));
    }
    return AC_OK;
}

static ac_status write_file(delivery *d, const char *kind, const char *name, const buf *text, ac_error *err)
{
    char *path = arena_format(&d->memory, "%s/%s/%s", d->room->data_dir, kind, name);

    if (!path)
        return memory_no_memory(err);
    AC_TRY(make_directories(path, strlen(d->room->data_dir) + 1, err));
    return file_write(path, FILE_REPLACE, text->data, text->length, err);
}

/* ---- what is delivered ---- */

static yyjson_mut_val *context(yyjson_mut_doc *doc, const extract_turn *turns, size_t count)
{
    yyjson_mut_val *list = yyjson_mut_arr(doc), *each;

    for (size_t i = 0; list && i < count; i++) {
        each = ac_json_pack(doc, "{s:s, s:{s:s%}}", "role", turns[i].role, "content", "text", turns[i].text,
                            turns[i].text_length);
        if (!each || !yyjson_mut_arr_append(list, each))
            return NULL;
    }
    return list;
}

static yyjson_mut_val *payload_of(const delivery *d, yyjson_mut_doc *doc)
{
    const extraction_window *w = &d->window;
    const extract_turn *news = w->turns + w->first_new;
    size_t count = w->turn_count - w->first_new;
    yyjson_mut_val *current = context(doc, news, count), *historical = context(doc, w->turns, w->first_new);

    if (!current || !historical || count == 0)
        return NULL;
    return ac_json_pack(
        doc, "{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:f, s:f, s:o, s:o}", "jobId", d->name, "requestId", d->name,
        "accountId", d->task.account, "memoryId", d->task.memory_id, "strategyId", d->task.strategy_id, "actorId",
        w->actor, "sessionId", w->session, "startingTimestamp", (double)news[0].timestamp_ms / 1000, "endingTimestamp",
        (double)news[count - 1].timestamp_ms / 1000, "currentContext", current, "historicalContext", historical);
}

static ac_status write_json(yyjson_mut_val *value, buf *out, ac_error *err)
{
    ac_status status = value ? json_write(out, value, JSON_COMPACT, NULL) : AC_ERR_NOMEM;

    return status == AC_OK ? AC_OK
                           : ac_error_set(err, status, "a delivery cannot be written: %s", ac_status_text(status));
}

static ac_status write_payload(delivery *d, ac_error *err)
{
    _cleanup_(yyjson_mut_doc_freep) yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    _cleanup_(buf_done) buf text = BUF_INIT(PAYLOAD_BYTES_MAX);
    char *name = arena_format(&d->memory, "%s/%s", d->bucket, d->key);

    if (!name)
        return memory_no_memory(err);
    AC_TRY(write_json(payload_of(d, doc), &text, err));
    return write_file(d, "buckets", name, &text, err);
}

/* As SNS posts it: the message is a text that holds JSON. */
static ac_status make_notice(delivery *d, buf *notice, ac_error *err)
{
    _cleanup_(yyjson_mut_doc_freep) yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    _cleanup_(buf_done) buf message = BUF_INIT(NOTICE_BYTES_MAX);
    char *location = arena_format(&d->memory, "s3://%s/%s", d->bucket, d->key), at[CLOCK_ISO8601_MS_SIZE];

    if (!location)
        return memory_no_memory(err);
    AC_TRY(write_json(ac_json_pack(doc, "{s:s, s:s, s:s, s:s}", "jobId", d->name, "s3PayloadLocation", location,
                                   "memoryId", d->task.memory_id, "strategyId", d->task.strategy_id),
                      &message, err));
    clock_iso8601_ms(clock_unix_ms(), at);
    return write_json(ac_json_pack(doc, "{s:s, s:s, s:s, s:s%, s:s}", "Type", "Notification", "MessageId", d->name,
                                   "TopicArn", d->topic_arn, "Message", message.data, message.length, "Timestamp", at),
                      notice, err);
}

static ac_status post_notice(delivery *d, const buf *notice, ac_error *err)
{
    const http_field headers[] = {
        {"Content-Type", "text/plain; charset=UTF-8"},
        {"x-amz-sns-message-type", "Notification"},
        {"x-amz-sns-message-id", d->name},
        {"x-amz-sns-topic-arn", d->topic_arn},
    };
    const http_client_request request = {
        .url = arena_format(&d->memory, "%s/%s", d->room->notices_url, d->topic),
        .headers = headers,
        .header_count = ARRAY_SIZE(headers),
        .body = notice->data,
        .body_length = notice->length,
        .total_timeout_ms = NOTICE_TIMEOUT_MS,
    };
    http_client_response response;
    ac_status status;

    if (!request.url)
        return memory_no_memory(err);
    status = http_client_fetch(d->room->http, &request, &response, err);
    if (status == AC_OK && (response.head.status < 200 || response.head.status > 299))
        status = ac_error_set(err, AC_ERR_IO, "the receiver of notices answered %d", response.head.status);
    http_client_response_done(&response);
    return status;
}

static ac_status notify(delivery *d, ac_error *err)
{
    _cleanup_(buf_done) buf notice = BUF_INIT(NOTICE_BYTES_MAX * 2);
    char *name = arena_format(&d->memory, "%s/%s.json", d->topic, d->name);

    if (!name)
        return memory_no_memory(err);
    AC_TRY(make_notice(d, &notice, err));
    AC_TRY(write_file(d, "topics", name, &notice, err));
    return d->room->http ? post_notice(d, &notice, err) : AC_OK;
}

/* ---- the job ---- */

/* How many turns before the new ones are told; 0 when the memory or the strategy is gone. */
static ac_status read_history_size(store_tx *tx, const delivery *d, size_t *ret_size, ac_error *err)
{
    _cleanup_(memory_definition_unrefp) const memory_definition *now = NULL;
    const memory_strategy *s = NULL;
    ac_status status = memory_definition_get(tx, d->room->definitions, d->task.account, d->task.memory_id, &now, err);

    *ret_size = 0;
    if (status != AC_OK)
        return status == AC_ERR_NOT_FOUND ? AC_OK : status;
    s = memory_definition_strategy(now, d->task.strategy_id);
    if (s)
        *ret_size = (size_t)MAX(ac_json_int(configuration_of(s), "historicalContextWindowSize", 0), (int64_t)0);
    return AC_OK;
}

static ac_status look_in(store_tx *tx, void *arg, ac_error *err)
{
    delivery *d = arg;
    extraction_limits limits = {.events = EVENTS_AT_ONCE, .all_branches = true};

    AC_TRY(read_history_size(tx, d, &limits.history, err));
    return extraction_window_read(tx, d->room, &d->task, &limits, &d->memory, &d->window, err);
}

/* Nothing fires yet: the job is over, and comes back when there has been silence for long enough. */
static ac_status wait_in(store_tx *tx, void *arg, ac_error *err)
{
    delivery *d = arg;
    const job_spec later = {
        .kind = d->job->kind, .key = d->job->key, .payload = d->job->payload, .delay_ms = d->again_ms};

    AC_TRY(job_done(tx, d->job, err));
    return d->again_ms ? jobs_enqueue(tx, &later, err) : AC_OK;
}

static ac_status delivered_in(store_tx *tx, void *arg, ac_error *err)
{
    delivery *d = arg;

    AC_TRY(extraction_cursor_move(tx, &d->task, &d->window, err));
    return d->window.more ? AC_OK : job_done(tx, d->job, err);
}

static ac_status deliver(delivery *d, ac_error *err)
{
    if (d->window.turn_count > d->window.first_new) {
        AC_TRY(find_places(d, err));
        AC_TRY(write_payload(d, err));
        AC_TRY(notify(d, err));
    }
    return store_write(d->room->store, delivered_in, d, err);
}

ac_status memory_deliver(store *s, const job *j, const job_run *run, void *room, ac_error *err)
{
    bool more = true;

    while (more) {
        _cleanup_(delivery_done) delivery d = {.room = room, .job = j};

        if (job_run_cancelled(run))
            return ac_error_set(err, AC_ERR_CLOSED, "the job was told to give up");
        AC_TRY(extraction_task_read(j, &d.memory, &d.task, err));
        AC_TRY(store_read(s, look_in, &d, err));
        if (!d.window.strategy || d.window.next == d.window.cursor)
            return AC_OK; /* the runner ends the job */
        d.configuration = configuration_of(d.window.strategy);
        look_at_triggers(&d);
        if (!d.fires)
            return store_write(s, wait_in, &d, err);
        AC_TRY(deliver(&d, err));
        more = d.window.more;
    }
    return AC_OK;
}
