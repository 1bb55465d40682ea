/* replay_main.c - stands in for libFuzzer's main: gives every file named on the command line, or lying in a directory
 * named there, to LLVMFuzzerTestOneInput once.  So ordinary test runs replay the kept corpora without clang.
 *
 * An input lies in a heap block of exactly its size, so that the address sanitizer sees a read past its end. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define INPUT_BYTES_MAX (16u << 20)
#define PATH_BYTES_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t *read_file(const char *path, size_t *ret_size)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return NULL;

    uint8_t *data = NULL;
    struct stat info;
    if (fstat(fileno(file), &info) == 0 && info.st_size >= 0 && (uintmax_t)info.st_size <= INPUT_BYTES_MAX) {
        *ret_size = (size_t)info.st_size;
        data = malloc(*ret_size ? *ret_size : 1);
        if (data && fread(data, 1, *ret_size, file) != *ret_size) {
            free(data);
            data = NULL;
        }
    }
    fclose(file);
    return data;
}

static int replay_file(const char *path)
{
    size_t size = 0;
    uint8_t *data = read_file(path, &size);
    if (!data) {
        fprintf(stderr, "cannot read %s\n", path);
        return -1;
    }

    LLVMFuzzerTestOneInput(data, size);
    free(data);
    return 1;
}

/* How many inputs were replayed, or -1. */
static int replay_directory(const char *path)
{
    DIR *directory = opendir(path);
    if (!directory) {
        fprintf(stderr, "cannot open %s\n", path);
        return -1;
    }

    int count = 0;
    for (struct dirent *entry; count >= 0 && (entry = readdir(directory));) {
        char file[PATH_BYTES_MAX];
        if (entry->d_name[0] == '.')
            continue;
        int length = snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
        if (length < 0 || (size_t)length >= sizeof(file) || replay_file(file) < 0)
            count = -1;
        else
            count++;
    }
    closedir(directory);
    return count;
}

int main(int argc, char **argv)
{
    int total = 0;

    for (int i = 1; i < argc; i++) {
        struct stat info;
        int count =
            stat(argv[i], &info) == 0 && S_ISDIR(info.st_mode) ? replay_directory(argv[i]) : replay_file(argv[i]);
        if (count < 0)
            return EXIT_FAILURE;
        total += count;
    }
    printf("%d inputs replayed\n", total);
    return total > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
