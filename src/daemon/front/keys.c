/* keys.c - the access keys that may sign requests.
 *
 * The file is the truth; what is in memory follows it.  Before a look-up the file's stamp is compared with the one that
 * was read, at most once per second, and at once when a key is not known: a key that was just added works with its
 * first request, and one that was taken away stops within a second.  When the file has become unreadable or wrong, the
 * keys that were read last stay good and the log says so once.
 *
 * Writers (`agentcored keys add`, and first starts) exclude each other by flock() on credentials.lock and begin by
 * reading the file again, so that none of them undoes what another has done. */
#include "daemon/files.h"
#include "daemon/front/keys_internal.h"

#include "base/clock.h"

#include <agentcore/log.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define LOCK_NAME "credentials.lock"
#define LOOK_EVERY_MS 1000

struct keys {
    pthread_mutex_t lock; /* for all below */
    char *path;
    char *lock_path;
    key_set set;
    file_stamp stamp; /* of the file that was looked at last, whether it was good or not */
    uint64_t looked_ms;
};

/* ---- reading ---- */

static ac_status read_file(const char *path, key_set *ret_set, file_stamp *ret_stamp, ac_error *err)
{
    _cleanup_(buf_done) buf text = {.cap = KEYS_FILE_BYTES_MAX, .secret = true};
    struct stat info;

    AC_TRY(file_read(path, &text, &info, err));
    *ret_stamp = file_stamp_of(&info);
    if (info.st_mode & 077)
        return ac_error_set(err, AC_ERR_DENIED, "%s may be read by others (mode %04o); close it: chmod 600 %s", path,
                            (unsigned)(info.st_mode & 07777), path);
    return keys_parse(path, &text, ret_set, err);
}

/* Take over what the file says now.  After a failure the set is as it was. */
static ac_status load(keys *k, ac_error *err)
{
    key_set set = {0};

    AC_TRY(read_file(k->path, &set, &k->stamp, err));
    key_set_done(&k->set);
    k->set = set;
    return AC_OK;
}

static void follow_file(keys *k)
{
    ac_error err = {.status = AC_OK};
    file_stamp now = {0};
    struct stat info;

    k->looked_ms = clock_monotonic_ms();
    if (stat(k->path, &info) == 0)
        now = file_stamp_of(&info);
    if (file_stamp_same(&now, &k->stamp))
        return;
    k->stamp = now;
    if (load(k, &err) == AC_OK)
        ac_log_info("Access keys read again: %zu", k->set.count);
    else
        ac_log_warning("The access keys stay as they were: %s", err.message);
}

/* ---- writing ---- */

static ac_status lock_file(const keys *k, int *ret_fd, ac_error *err)
{
    int fd;

    *ret_fd = -1;
    fd = open(k->lock_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return ac_error_set(err, errno == EACCES ? AC_ERR_DENIED : AC_ERR_IO, "cannot open %s: %s", k->lock_path,
                            strerror(errno));
    while (flock(fd, LOCK_EX) != 0) { /* held for the time of writing a small file */
        if (errno == EINTR)
            continue;
        ac_error_set(err, AC_ERR_IO, "cannot lock %s: %s", k->lock_path, strerror(errno));
        close(fd);
        return AC_ERR_IO;
    }
    *ret_fd = fd;
    return AC_OK;
}

static ac_status write_file(const keys *k, file_mode mode, const key_set *set, ac_error *err)
{
    _cleanup_(buf_done) buf text = {.cap = KEYS_FILE_BYTES_MAX, .secret = true};
    ac_status status = keys_format(set, &text);

    if (status != AC_OK)
        return ac_error_set(err, status, "cannot write %s: %s", k->path, ac_status_text(status));
    return file_write(k->path, mode, text.data, text.length, err);
}

typedef struct change {
    const char *id; /* NULL in an addition: make one */
    const char *secret;
    const char *account;
    key_set *set;
    char made_id[KEY_ID_MAX + 1];
} change;

static ac_status add_to_set(change *c, ac_error *err)
{
    key *k;

    if (c->id && key_set_find(c->set, c->id, strlen(c->id)))
        return ac_error_set(err, AC_ERR_CONFLICT, "there is an access key %s already", c->id);
    if (c->set->count >= KEYS_MAX)
        return ac_error_set(err, AC_ERR_QUOTA, "there are %d access keys already, which is the most", KEYS_MAX);
    k = key_set_grow(c->set);
    if (!k)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    if (c->id)
        memcpy(k->id, c->id, strlen(c->id) + 1);
    else
        AC_TRY(key_make_id(k->id, err));
    if (c->secret)
        memcpy(k->secret, c->secret, strlen(c->secret) + 1);
    else
        AC_TRY(key_make_secret(k->secret, err));
    memcpy(k->account, c->account, KEY_ACCOUNT_SIZE);
    k->id_length = (unsigned)strlen(k->id);
    k->created_ms = clock_unix_ms();
    memcpy(c->made_id, k->id, sizeof c->made_id);
    return AC_OK;
}

static ac_status remove_from_set(change *c, ac_error *err)
{
    key *k = key_set_find(c->set, c->id, strlen(c->id));

    if (!k)
        return ac_error_set(err, AC_ERR_NOT_FOUND, "there is no such access key");
    if (c->set->count == 1)
        return ac_error_set(err, AC_ERR_STATE, "%s is the last access key: add another one first", c->id);
    key_set_drop(c->set, (size_t)(k - c->set->all));
    return AC_OK;
}

/* Read, change, write, and take over; k->lock is held. */
static ac_status change_file(keys *k, ac_status (*apply)(change *c, ac_error *err), change *c, ac_error *err)
{
    key_set set = {0};
    file_stamp stamp;
    ac_status status;
    int fd;

    AC_TRY(lock_file(k, &fd, err));
    status = read_file(k->path, &set, &stamp, err);
    c->set = &set;
    if (status == AC_OK)
        status = apply(c, err);
    if (status == AC_OK)
        status = write_file(k, FILE_REPLACE, &set, err);
    key_set_done(&set);
    c->set = NULL;
    if (status == AC_OK)
        status = load(k, err);
    close(fd);
    return status;
}

ac_status keys_add(keys *k, const char *access_key, const char *secret, const char *account, char **ret_access_key,
                   ac_error *err)
{
    change c = {.id = access_key, .secret = secret, .account = account};
    const char *flaw = access_key ? key_id_flaw(access_key, strlen(access_key)) : NULL;
    ac_status status;

    if (!flaw && secret)
        flaw = key_secret_flaw(secret, strlen(secret));
    if (!flaw)
        flaw = key_account_flaw(account, strlen(account));
    if (flaw)
        return ac_error_set(err, AC_ERR_INVALID, "%s", flaw);
    pthread_mutex_lock(&k->lock);
    status = change_file(k, add_to_set, &c, err);
    pthread_mutex_unlock(&k->lock);
    if (status != AC_OK)
        return status;
    *ret_access_key = strdup(c.made_id);
    return *ret_access_key ? AC_OK : ac_error_set(err, AC_ERR_NOMEM, "out of memory");
}

ac_status keys_remove(keys *k, const char *access_key, ac_error *err)
{
    change c = {.id = access_key};
    ac_status status;

    pthread_mutex_lock(&k->lock);
    status = change_file(k, remove_from_set, &c, err);
    pthread_mutex_unlock(&k->lock);
    return status;
}

/* ---- life ---- */

static ac_status make_first(keys *k, const char *account, ac_error *err)
{
    key_set set = {0};
    change c = {.account = account, .set = &set};
    ac_status status;
    int fd;

    AC_TRY(lock_file(k, &fd, err));
    status = add_to_set(&c, err);
    if (status == AC_OK)
        status = write_file(k, FILE_CREATE, &set, err);
    key_set_done(&set);
    close(fd);
    return status == AC_ERR_CONFLICT ? AC_OK : status; /* somebody else was first */
}

ac_status keys_open(const char *data_dir, const char *account, keys **ret_keys, ac_error *err)
{
    const char *flaw = key_account_flaw(account, strlen(account));
    ac_status status;
    keys *k;

    if (flaw)
        return ac_error_set(err, AC_ERR_INVALID, "%s", flaw);
    k = calloc(1, sizeof *k);
    if (!k)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    pthread_mutex_init(&k->lock, NULL);
    k->path = path_join(data_dir, KEYS_FILE);
    k->lock_path = path_join(data_dir, LOCK_NAME);
    status = k->path && k->lock_path ? load(k, err) : ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    if (status == AC_ERR_NOT_FOUND) {
        status = make_first(k, account, err);
        if (status == AC_OK)
            status = load(k, err);
    }
    if (status != AC_OK) {
        keys_close(k);
        return status;
    }
    k->looked_ms = clock_monotonic_ms();
    *ret_keys = k;
    return AC_OK;
}

void keys_close(keys *k)
{
    if (!k)
        return;
    key_set_done(&k->set);
    pthread_mutex_destroy(&k->lock);
    free(k->path);
    free(k->lock_path);
    free(k);
}

/* ---- looking ---- */

ac_status keys_find(keys *k, const char *access_key, size_t length, buf *ret_secret, buf *ret_token,
                    char ret_account[KEY_ACCOUNT_SIZE], ac_error *err)
{
    ac_status status = AC_OK;
    const key *found;

    pthread_mutex_lock(&k->lock);
    if (clock_monotonic_ms() - k->looked_ms >= LOOK_EVERY_MS)
        follow_file(k);
    found = key_set_find(&k->set, access_key, length);
    if (!found) {
        follow_file(k);
        found = key_set_find(&k->set, access_key, length);
    }
    if (!found) {
        status = ac_error_set(err, AC_ERR_NOT_FOUND, "the access key is not known");
    } else {
        memcpy(ret_account, found->account, KEY_ACCOUNT_SIZE);
        status = buf_append_text(ret_secret, found->secret);
        if (status == AC_OK && found->token)
            status = buf_append_text(ret_token, found->token);
        if (status != AC_OK)
            ac_error_set(err, status, "no room for a secret: %s", ac_status_text(status));
    }
    pthread_mutex_unlock(&k->lock);
    return status;
}

void keys_each(keys *k, void (*fn)(const char *access_key, const char *account, int64_t created_ms, void *user),
               void *user)
{
    pthread_mutex_lock(&k->lock);
    for (size_t i = 0; i < k->set.count; i++)
        fn(k->set.all[i].id, k->set.all[i].account, k->set.all[i].created_ms, user);
    pthread_mutex_unlock(&k->lock);
}
