/* api_route.c - from method and path to an operation.
 *
 * The tree of path segments comes with the tables.  A literal is preferred to a label, but a path may turn out to be a
 * label's after all (/memories/create/details is GetMemory of a memory called "create"), so the search goes back; its
 * work is bounded by two branches per segment and as many segments as the deepest operation has.
 *
 * Segments are compared as they are on the wire: clients do not encode literals, and decoding before splitting would
 * let an encoded slash separate. */
#include "aws/api_internal.h"

#define SEGMENTS_MAX 12

typedef struct path {
    view segments[SEGMENTS_MAX];
    size_t count;
} path;

typedef struct search {
    const path *path;
    api_method method;
    bool path_known;
    size_t label_count;
    api_route *route;
} search;

/* False when the path does not begin with a slash or has more segments than any operation. */
static bool split(const char *text, size_t length, path *ret)
{
    const char *end = text + length;

    ret->count = 0;
    if (length < 2 || *text != '/')
        return false;
    if (end[-1] == '/')
        end--;
    while (text < end) {
        const char *begin = text + 1;
        const char *slash = memchr(begin, '/', (size_t)(end - begin));

        if (ret->count == SEGMENTS_MAX)
            return false;
        text = slash ? slash : end;
        ret->segments[ret->count++] = (view){begin, (size_t)(text - begin)};
    }
    return true;
}

static bool finish(search *s, const api_node *node)
{
    uint16_t index = node->operations[s->method];

    for (int i = 0; i < API_METHOD_COUNT; i++)
        s->path_known = s->path_known || node->operations[i] != API_NONE;
    if (index == API_NONE)
        return false;
    s->route->op = &api_operations[index];
    return true;
}

/* NOLINTNEXTLINE(misc-no-recursion): no deeper than SEGMENTS_MAX */
static bool descend(search *s, const api_node *node, size_t at)
{
    if (at == s->path->count)
        return finish(s, node);

    view segment = s->path->segments[at];

    if (segment.length == 0)
        return false;
    for (uint16_t i = node->child; i != API_NONE; i = api_nodes[i].next) {
        const api_node *child = &api_nodes[i];
        bool label = child->text == 0;

        if (label ? s->label_count == API_LABELS_MAX : !view_is(segment, api_text(child->text)))
            continue;
        if (label)
            s->route->labels[s->label_count++] = segment;
        if (descend(s, child, at + 1))
            return true;
        s->label_count -= label;
    }
    return false;
}

api_route_result api_route_find(api_method method, const char *text, size_t length, api_route *ret_route)
{
    path segments;
    search s = {.path = &segments, .method = method, .route = ret_route};

    *ret_route = (api_route){0};
    if (!split(text, length, &segments))
        return API_ROUTE_PATH;
    if (descend(&s, &api_nodes[0], 0))
        return API_ROUTE_FOUND;
    return s.path_known ? API_ROUTE_METHOD : API_ROUTE_PATH;
}
