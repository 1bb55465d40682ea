/* artifacts.c - the room: what is unpacked, who is at it, what is thrown away.
 *
 * An artifact is there when DATA/artifacts/KIND/sha256-HEX is; that comes into being by one rename of a directory which
 * is complete and on the disk (syncfs), and goes by one rename.  Both ways lead through DATA/artifacts/tmp, which is
 * emptied at the start.
 *
 * A thread that works on a digest has a flight; others that want the same wait until it lands, and look again.  They do
 * not share its failure: they may look in another place for the same.  Without a digest to begin with, the source is
 * looked at by each call, since it may have changed since another one began to. */
#include "daemon/artifacts/internal.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/uuid.h"
#include "daemon/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define TMP_NAME "tmp"
#define ROOT_NAME "root"
#define S3_REGION_DEFAULT "us-east-1"
#define DIRECTORY_SIZE 96 /* "image/sha256-HEX", "tmp/UUID" */

static const char *const kinds[] = {"code", "image"};

/* ---- opening and closing ---- */

static ac_status make_directory(int fd, const char *name, mode_t mode, ac_error *err)
{
    struct stat info;

    if (mkdirat(fd, name, mode) != 0 && errno != EEXIST)
        return work_failed(err, "make the directory", name);
    if (fstatat(fd, name, &info, 0) != 0 || !S_ISDIR(info.st_mode))
        return ac_error_set(err, AC_ERR_IO, "%s in the data directory is no directory", name);
    return AC_OK;
}

/* Sessions of another user look through it; what it holds has its own modes. */
static ac_status make_open_directory(int fd, const char *name, bool readable_by_all, ac_error *err)
{
    AC_TRY(make_directory(fd, name, 0700, err));
    if (fchmodat(fd, name, readable_by_all ? 0755 : 0700, 0) != 0)
        return work_failed(err, "set the mode of", name);
    return AC_OK;
}

static ac_status make_directories(artifacts *all, ac_error *err)
{
    _cleanup_(fd_closep) int data = open(all->data_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (data < 0)
        return work_failed(err, "open", all->data_dir);
    AC_TRY(make_directory(data, "buckets", 0700, err));
    AC_TRY(make_directory(data, "images", 0700, err));
    AC_TRY(make_open_directory(data, "artifacts", all->readable_by_all, err));
    all->directory_fd = openat(data, "artifacts", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (all->directory_fd < 0)
        return work_failed(err, "open", "artifacts");
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        AC_TRY(make_open_directory(all->directory_fd, kinds[i], all->readable_by_all, err));
    AC_TRY(remove_tree(all->directory_fd, TMP_NAME, err));
    return make_directory(all->directory_fd, TMP_NAME, 0700, err);
}

static ac_status copy_options(artifacts *all, const artifacts_options *o, ac_error *err)
{
    all->readable_by_all = o->readable_by_all;
    all->s3 = o->s3;
    all->data_dir = realpath(o->data_dir, NULL);
    if (!all->data_dir)
        return work_failed(err, "find the data directory", o->data_dir);
    all->s3_region = strdup(o->s3_region && *o->s3_region ? o->s3_region : S3_REGION_DEFAULT);
    all->s3_url = o->s3_url && *o->s3_url ? strdup(o->s3_url) : NULL;
    if (!all->s3_region || (o->s3_url && *o->s3_url && !all->s3_url))
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    return AC_OK;
}

static ac_status make_locks(artifacts *all)
{
    pthread_condattr_t clock;

    if (pthread_condattr_init(&clock) != 0)
        return AC_ERR_NOMEM;
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_mutex_init(&all->lock, NULL);
    pthread_cond_init(&all->changed, &clock);
    pthread_condattr_destroy(&clock);
    return AC_OK;
}

ac_status artifacts_open(const artifacts_options *options, artifacts **ret_all, ac_error *err)
{
    artifacts *all = calloc(1, sizeof *all);
    ac_status status;

    *ret_all = NULL;
    if (!all || make_locks(all) != AC_OK) {
        free(all);
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    }
    all->directory_fd = -1;
    atomic_init(&all->closing, false);
    status = copy_options(all, options, err);
    if (status == AC_OK)
        status = make_directories(all, err);
    if (status == AC_OK)
        *ret_all = all;
    else
        artifacts_close(all);
    return status;
}

void artifacts_close(artifacts *all)
{
    if (!all)
        return;
    pthread_mutex_lock(&all->lock);
    atomic_store(&all->closing, true);
    pthread_cond_broadcast(&all->changed);
    while (all->calls > 0)
        pthread_cond_wait(&all->changed, &all->lock);
    pthread_mutex_unlock(&all->lock);

    aws_provider_free(all->keys);
    http_client_free(all->http);
    if (all->directory_fd >= 0)
        close(all->directory_fd);
    pthread_cond_destroy(&all->changed);
    pthread_mutex_destroy(&all->lock);
    free(all->data_dir);
    free(all->s3_url);
    free(all->s3_region);
    free(all);
}

static ac_status enter(artifacts *all, work *ret_work, ac_error *err)
{
    bool closing;

    *ret_work = (work){.stopped = &all->closing, .deadline_ms = clock_monotonic_ms() + WORK_TIMEOUT_MS};
    pthread_mutex_lock(&all->lock);
    closing = atomic_load(&all->closing);
    if (!closing)
        all->calls++;
    pthread_mutex_unlock(&all->lock);
    return closing ? ac_error_set(err, AC_ERR_CLOSED, "the service is stopping") : AC_OK;
}

static void leave(artifacts *all)
{
    pthread_mutex_lock(&all->lock);
    all->calls--;
    pthread_cond_broadcast(&all->changed);
    pthread_mutex_unlock(&all->lock);
}

/* ---- flights ---- */

static bool in_flight(const artifacts *all, const char *digest)
{
    for (const flight *f = all->flights; f; f = f->next)
        if (strcmp(f->digest, digest) == 0)
            return true;
    return false;
}

static void take_off(artifacts *all, const char *digest, flight *f)
{
    snprintf(f->digest, sizeof f->digest, "%s", digest);
    f->all = all;
    f->next = all->flights;
    all->flights = f;
}

static ac_status flight_begin(artifacts *all, const char *digest, const work *w, flight *f, ac_error *err)
{
    struct timespec due = {.tv_sec = (time_t)(w->deadline_ms / 1000),
                           .tv_nsec = (long)(w->deadline_ms % 1000) * 1000000};
    ac_status status;

    /* Asked before each wait: a close that came between the call's beginning and here has told those that waited. */
    pthread_mutex_lock(&all->lock);
    while ((status = work_go_on(w, err)) == AC_OK && in_flight(all, digest))
        pthread_cond_timedwait(&all->changed, &all->lock, &due);
    if (status == AC_OK)
        take_off(all, digest, f);
    pthread_mutex_unlock(&all->lock);
    return status;
}

static void flight_end(flight *f)
{
    artifacts *all = f->all;

    if (!all)
        return;
    pthread_mutex_lock(&all->lock);
    for (flight **at = &all->flights; *at; at = &(*at)->next)
        if (*at == f) {
            *at = f->next;
            break;
        }
    pthread_cond_broadcast(&all->changed);
    pthread_mutex_unlock(&all->lock);
}

/* ---- what is there ---- */

static void directory_of(bool image, const char *digest, char ret_name[DIRECTORY_SIZE])
{
    snprintf(ret_name, DIRECTORY_SIZE, "%s/sha256-%.64s", kinds[image], digest + strlen(DIGEST_PREFIX));
}

/* AC_ERR_NOT_FOUND: not unpacked. */
static ac_status find_unpacked(const artifacts *all, const char *digest, arena *memory, artifact *a, ac_error *err)
{
    char name[DIRECTORY_SIZE], path[PATH_MAX];

    directory_of(a->image, digest, name);
    if (faccessat(all->directory_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) != 0)
        return AC_ERR_NOT_FOUND;
    if (snprintf(path, sizeof path, "%s/artifacts/%s", all->data_dir, name) >= (int)sizeof path)
        return ac_error_set(err, AC_ERR_IO, "the path of the data directory is too long");
    snprintf(a->digest, sizeof a->digest, "%s", digest);
    ac_status status = record_read(path, memory, a, err);
    return status == AC_ERR_NOT_FOUND ? ac_error_set(err, AC_ERR_IO, "%s is damaged: remove it", path) : status;
}

/* ---- making one ---- */

typedef struct making {
    artifacts *all;
    const artifact_source *source;
    work *w;
    arena *memory;
    artifact *a;
    ac_error *err;
} making;

static ac_status fill(const making *m, int directory_fd, const char *directory)
{
    tree t;
    ac_status status = tree_open(&t, directory_fd, ROOT_NAME, m->all->readable_by_all, m->err);

    if (status == AC_OK)
        status = m->source->fill(m->source->user, &t, m->w, m->memory, m->a, m->err);
    if (status == AC_OK)
        status = record_write(directory, m->a, m->source->name, m->w, m->err);
    if (status == AC_OK && syncfs(t.root_fd) != 0)
        status = work_failed(m->err, "write to the disk", m->source->name);
    tree_close(&t);
    return status;
}

static ac_status put_in_place(const making *m, const char *made)
{
    _cleanup_(fd_closep) int kind_fd = -1;
    char name[DIRECTORY_SIZE];

    directory_of(m->source->image, m->a->digest, name);
    if (renameat(m->all->directory_fd, made, m->all->directory_fd, name) != 0)
        return work_failed(m->err, "put in place", name);
    kind_fd = openat(m->all->directory_fd, kinds[m->source->image], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (kind_fd < 0 || fsync(kind_fd) != 0)
        return work_failed(m->err, "write to the disk", name);
    return AC_OK;
}

static ac_status make(const making *m)
{
    _cleanup_(fd_closep) int fd = -1;
    char uuid[UUID_SIZE], made[DIRECTORY_SIZE], path[PATH_MAX];
    ac_status status;

    uuid_v4(uuid);
    snprintf(made, sizeof made, TMP_NAME "/%s", uuid);
    if (snprintf(path, sizeof path, "%s/artifacts/%s", m->all->data_dir, made) >= (int)sizeof path)
        return ac_error_set(m->err, AC_ERR_IO, "the path of the data directory is too long");
    AC_TRY(make_open_directory(m->all->directory_fd, made, m->all->readable_by_all, m->err));
    fd = openat(m->all->directory_fd, made, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    status = fd >= 0 ? fill(m, fd, path) : work_failed(m->err, "open", made);
    if (status == AC_OK)
        status = put_in_place(m, made);
    if (status != AC_OK && remove_tree(m->all->directory_fd, made, NULL) != AC_OK)
        ac_log_warning("artifacts: %s could not be removed; it goes at the next start", made);
    return status;
}

static ac_status find_or_make(const making *m, const char *digest, flight *f)
{
    char found[ARTIFACT_DIGEST_SIZE];
    ac_status status;

    if (digest) {
        AC_TRY(flight_begin(m->all, digest, m->w, f, m->err));
        status = find_unpacked(m->all, digest, m->memory, m->a, m->err);
        if (status != AC_ERR_NOT_FOUND)
            return status;
    }
    AC_TRY(m->source->find(m->source->user, m->w, found, m->err));
    if (digest && strcmp(digest, found) != 0)
        return ac_error_set(m->err, AC_ERR_CONFLICT,
                            "it has changed since it was deployed: it was %.19s... and is %.19s...", digest, found);
    if (!digest)
        AC_TRY(flight_begin(m->all, found, m->w, f, m->err));
    status = find_unpacked(m->all, found, m->memory, m->a, m->err);
    if (status != AC_ERR_NOT_FOUND)
        return status;
    snprintf(m->a->digest, sizeof m->a->digest, "%s", found);
    AC_TRY(make(m));
    return find_unpacked(m->all, found, m->memory, m->a, m->err);
}

ac_status artifact_get(artifacts *all, const artifact_source *source, const char *digest, arena *memory,
                       artifact *ret_artifact, ac_error *err)
{
    flight f = {0};
    ac_error why = {0};
    work w;
    making m = {all, source, &w, memory, ret_artifact, &why};
    ac_status status = AC_ERR_NOT_FOUND;

    *ret_artifact = (artifact){.image = source->image};
    if (digest && !digest_valid(digest))
        return ac_error_set(err, AC_ERR_INVALID, "%s is no digest: it must be sha256: and 64 digits",
                            show_text(digest).text);
    AC_TRY(enter(all, &w, err));
    if (digest)
        status = find_unpacked(all, digest, memory, ret_artifact, &why);
    if (status == AC_ERR_NOT_FOUND) {
        status = find_or_make(&m, digest, &f);
        flight_end(&f);
    }
    leave(all);
    if (status == AC_OK)
        return AC_OK;
    return ac_error_set(err, status, "%s: %s", source->name, why.message[0] ? why.message : ac_status_text(status));
}

ac_status artifacts_scratch(artifacts *all, int *ret_fd, ac_error *err)
{
    char uuid[UUID_SIZE], name[DIRECTORY_SIZE];

    uuid_v4(uuid);
    snprintf(name, sizeof name, TMP_NAME "/%s", uuid);
    *ret_fd = openat(all->directory_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (*ret_fd < 0)
        return work_failed(err, "make a file in", "the data directory");
    if (unlinkat(all->directory_fd, name, 0) != 0)
        return work_failed(err, "remove", name);
    return AC_OK;
}

/* ---- throwing away ---- */

/* One that nobody works on, out of sight at once; then its files. */
static ac_status throw_away(artifacts *all, const char *kind, const char *name, const char *digest, ac_error *err)
{
    char from[PATH_MAX], to[DIRECTORY_SIZE], uuid[UUID_SIZE];
    flight f = {0};
    ac_status status;
    bool busy;

    pthread_mutex_lock(&all->lock);
    busy = in_flight(all, digest);
    if (!busy)
        take_off(all, digest, &f);
    pthread_mutex_unlock(&all->lock);
    if (busy)
        return AC_OK;

    uuid_v4(uuid);
    snprintf(from, sizeof from, "%s/%s", kind, name);
    snprintf(to, sizeof to, TMP_NAME "/%s", uuid);
    status = renameat(all->directory_fd, from, all->directory_fd, to) == 0 ? AC_OK : work_failed(err, "remove", from);
    flight_end(&f);
    return status == AC_OK ? remove_tree(all->directory_fd, to, err) : status;
}

static ac_status collect_kind(artifacts *all, const char *kind, bool (*used)(const char *digest, void *user),
                              void *user, ac_error *err)
{
    int fd = openat(all->directory_fd, kind, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
    ac_status status = AC_OK;
    const struct dirent *entry;

    if (!directory) {
        status = work_failed(err, "open", kind);
        if (fd >= 0)
            close(fd);
        return status;
    }
    while (status == AC_OK && (entry = readdir(directory))) {
        char digest[ARTIFACT_DIGEST_SIZE];

        /* "sha256-HEX" is "sha256:HEX" but for one character. */
        if (strlen(entry->d_name) != ARTIFACT_DIGEST_SIZE - 1 || strncmp(entry->d_name, "sha256-", 7) != 0)
            continue;
        memcpy(digest, entry->d_name, sizeof digest);
        digest[6] = ':';
        if (digest_valid(digest) && !used(digest, user))
            status = throw_away(all, kind, entry->d_name, digest, err);
    }
    closedir(directory);
    return status;
}

ac_status artifacts_collect(artifacts *all, bool (*used)(const char *digest, void *user), void *user, ac_error *err)
{
    ac_status status = AC_OK;
    work w;

    AC_TRY(enter(all, &w, err));
    for (size_t i = 0; status == AC_OK && i < ARRAY_SIZE(kinds); i++)
        status = collect_kind(all, kinds[i], used, user, err);
    leave(all);
    return status == AC_OK || status == AC_ERR_NOMEM ? status : AC_ERR_IO;
}
