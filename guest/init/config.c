/* config.c - the configuration that the daemon wrote: of the program, or of a command. */
#include "init.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONFIG_BYTES_MAX ((size_t)4 << 20)
#define WORDS_MAX 4096

/* Take `count` words from [*at, end); NULL when there are not as many. */
static char **take_words(char **at, const char *end, uint32_t count)
{
    char **words = count <= WORDS_MAX ? calloc(count + 1, sizeof *words) : NULL;

    for (uint32_t i = 0; words && i < count; i++) {
        char *stop = memchr(*at, '\0', (size_t)(end - *at));

        if (!stop) {
            free(words);
            return NULL;
        }
        words[i] = *at;
        *at = stop + 1;
    }
    return words;
}

static bool same_build(const box_config *head)
{
    const box_config mine = {BOX_CONFIG_HEADER};

    return head && head->version == mine.version && head->config_size == mine.config_size &&
           head->event_size == mine.event_size && head->request_size == mine.request_size &&
           head->reply_size == mine.reply_size;
}

static int read_all(int fd, config *c)
{
    struct stat info;

    if (fstat(fd, &info) != 0)
        return errno;
    if (info.st_size < (off_t)sizeof(box_config) || info.st_size > (off_t)CONFIG_BYTES_MAX)
        return EINVAL;
    c->memory_bytes = (size_t)info.st_size;
    c->memory = malloc(c->memory_bytes);
    if (!c->memory)
        return ENOMEM;
    if (pread(fd, c->memory, c->memory_bytes, 0) != (ssize_t)c->memory_bytes)
        return EIO;
    return 0;
}

static int take_apart(config *c, uint32_t *ret_stage)
{
    char *at = (char *)c->memory + sizeof(box_config);
    const char *end = (char *)c->memory + c->memory_bytes;
    char **places;

    c->head = c->memory;
    if (!same_build(c->head)) {
        *ret_stage = STAGE_VERSION;
        return EPROTO;
    }
    if (c->head->bytes != c->memory_bytes || c->head->argument_count < 1)
        return EINVAL;
    places = take_words(&at, end, 2);
    c->arguments = take_words(&at, end, c->head->argument_count);
    c->variables = take_words(&at, end, c->head->variable_count);
    c->directory = places ? places[0] : NULL;
    c->home = places ? places[1] : NULL;
    free(places);
    return c->directory && c->arguments && c->variables ? 0 : EINVAL;
}

int config_read(int fd, config *ret_config, uint32_t *ret_stage)
{
    config c = {0};
    int number;

    *ret_stage = STAGE_SETUP;
    number = read_all(fd, &c);
    if (!number)
        number = take_apart(&c, ret_stage);
    if (number)
        config_done(&c);
    *ret_config = c;
    return number;
}

void config_done(config *c)
{
    free(c->arguments);
    free(c->variables);
    free(c->memory);
    *c = (config){0};
}
