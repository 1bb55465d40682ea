/* fuzz_artifact_layer.c - two layers of a stranger's image, one over the other: what they become stays where it belongs
 * (artifact_oracle.h).
 *
 * An input is a byte for how the second layer is packed, two for how many blocks of 512 bytes the first one has, and
 * both.  Their digests are right, for else nothing would be read; the diff_id of a packed one is not known. */
#include "artifact_oracle.h"
#include "daemon/artifacts/image_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char layout[64];

static void forget_layout(void)
{
    require(remove_tree(AT_FDCWD, layout, NULL) == AC_OK);
}

static int open_layout(void)
{
    static int fd = -1;

    if (fd >= 0)
        return fd;
    snprintf(layout, sizeof layout, "%s/fuzz-layout-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    require(mkdtemp(layout) != NULL);
    fd = open(layout, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    require(mkdirat(fd, "blobs", 0700) == 0 && mkdirat(fd, "blobs/sha256", 0700) == 0);
    require(atexit(forget_layout) == 0);
    return fd;
}

static ac_status apply(oracle *o, const uint8_t *data, size_t size, layer_packing packing)
{
    image_layer layer = {.packing = packing, .blob = {.bytes = size}};
    int layout_fd = open_layout(), fd;
    ac_error err = {0};
    ac_status status;
    uint8_t hash[32];
    char name[96];

    require(EVP_Digest(data, size, hash, NULL, EVP_sha256(), NULL) == 1);
    digest_write(hash, layer.blob.digest);
    digest_write(hash, layer.diff_id);
    snprintf(name, sizeof name, "blobs/sha256/%.64s", layer.blob.digest + strlen(DIGEST_PREFIX));
    fd = openat(layout_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    require(fd >= 0 && write(fd, data, size) == (ssize_t)size && close(fd) == 0);
    o->w.packed_bytes += size;
    status = layer_apply(layout_fd, &layer, &o->t, &o->w, &err);
    require((status == AC_OK) == (err.message[0] == '\0'));
    require(unlinkat(layout_fd, name, 0) == 0);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t first;
    oracle o;

    if (size < 3)
        return 0;
    first = MIN(((size_t)data[1] | (size_t)data[2] << 8) * 512, size - 3);
    oracle_begin(&o);
    if (apply(&o, data + 3, first, LAYER_PLAIN) == AC_OK)
        (void)!apply(&o, data + 3 + first, size - 3 - first, (layer_packing)(data[0] % 3));
    oracle_end(&o);
    return 0;
}
