/* api_walk.c - one way through a JSON value along its description, for all four directions:
 *
 *     api_validate   server, request    everything is checked, times come from the wire
 *     api_reply      server, answer     times go to the wire
 *     api_build      client, request    what AWS clients check, times go to the wire
 *     api_parse      client, answer     times come from the wire
 *
 * The value is changed in place.  What is wrong becomes a problem under the path that leads to it, up to a fixed count,
 * after which the walk only looks for its way out.  A list or map with more elements than it may have is not entered,
 * so the work is bounded by the description as well as by the value.  Recursion ends at DEPTH_MAX whatever comes. */
#include "aws/api_internal.h"
#include "base/utf8.h"

#include <stdio.h>

#define DEPTH_MAX 100
#define MESSAGE_MAX 1024
#define TEXT_MAX (API_PROBLEMS_MAX * (API_PROBLEM_NAME_MAX + MESSAGE_MAX + 64))

void api_problems_done(api_problems *problems)
{
    arena_done(&problems->texts);
    problems->count = 0;
}

void api_problems_text(const api_problems *problems, char *ret_text, size_t size)
{
    _cleanup_(buf_done) buf text = BUF_INIT(TEXT_MAX);
    ac_status status =
        buf_appendf(&text, "%zu validation error%s detected: ", problems->count, problems->count == 1 ? "" : "s");

    for (size_t i = 0; i < problems->count && status == AC_OK; i++)
        status = buf_appendf(&text, "%sValue at '%s' failed to satisfy constraint: %s", i > 0 ? "; " : "",
                             problems->items[i].name, problems->items[i].message);
    if (size == 0)
        return;

    size_t length = utf8_valid_prefix(text.data, MIN(text.length, size - 1));
    if (length > 0)
        memcpy(ret_text, text.data, length);
    ret_text[length] = '\0';
}

void api_walk_problem(api_walk *walk, const char *format, ...)
{
    api_problems *problems = walk->problems;
    char text[MESSAGE_MAX];
    va_list args;

    if (problems->count == API_PROBLEMS_MAX)
        return;
    va_start(args, format);
    int length = vsnprintf(text, sizeof text, format, args);
    va_end(args);

    api_problem problem = {
        .name = arena_copy(&problems->texts, walk->path, walk->path_length),
        .message = arena_copy(&problems->texts, text, length < 0 ? 0 : MIN((size_t)length, sizeof text - 1)),
    };
    if (!problem.name || !problem.message)
        walk->nomem = true;
    else
        problems->items[problems->count++] = problem;
}

static bool is_over(const api_walk *walk)
{
    return walk->nomem || walk->problems->count == API_PROBLEMS_MAX;
}

/* Append to the path; what does not fit is left off at a character boundary.  Returns the length to go back to. */
static size_t enter(api_walk *walk, const char *before, const char *name, size_t length, const char *after)
{
    size_t back = walk->path_length;
    const char *parts[] = {before, name, after};
    size_t lengths[] = {strlen(before), length, strlen(after)};

    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        size_t room = sizeof walk->path - walk->path_length;
        size_t fitting = lengths[i];

        if (fitting > room) {
            fitting = room;
            while (fitting > 0 && ((unsigned char)parts[i][fitting] & 0xC0) == 0x80)
                fitting--;
        }
        memcpy(walk->path + walk->path_length, parts[i], fitting);
        walk->path_length += fitting;
    }
    return back;
}

static size_t enter_member(api_walk *walk, const char *name, size_t length)
{
    return enter(walk, walk->path_length > 0 ? "." : "", name, length, "");
}

static size_t enter_element(api_walk *walk, size_t index)
{
    char number[24];
    int length = snprintf(number, sizeof number, "%zu", index);

    return enter(walk, "[", number, (size_t)length, "]");
}

/* A member that is missing although it must not be, or null.  Tokens are made before the walk. */
static void missing_members(api_walk *walk, const api_shape *structure, uint64_t seen, bool payload_given)
{
    for (size_t i = 0; i < structure->count; i++) {
        const api_member *member = &api_members[structure->first + i];
        bool given = (seen >> i & 1) || (payload_given && member->place == API_IN_PAYLOAD);

        if (given || !(member->flags & API_MEMBER_REQUIRED))
            continue;
        size_t back = enter_member(walk, api_text(member->name), strlen(api_text(member->name)));
        api_walk_problem(walk, "Member must not be null");
        walk->path_length = back;
    }
}

static void check_union(api_walk *walk, const api_shape *structure, uint64_t seen)
{
    char names[MESSAGE_MAX / 2];
    size_t length = 0;

    if (__builtin_popcountll(seen) == 1)
        return;
    names[0] = '\0';
    for (size_t i = 0; i < structure->count && length < sizeof names; i++) {
        const char *name = api_text(api_members[structure->first + i].name);
        int more = snprintf(names + length, sizeof names - length, "%s%s", i > 0 ? ", " : "", name);
        length += more > 0 ? (size_t)more : 0;
    }
    api_walk_problem(walk, "Member must have exactly one of its members set: [%s]", names);
}

/* One key of an object: whether it stays. */
static bool walk_member(api_walk *walk, const api_shape *structure, yyjson_mut_val *key, uint64_t *seen)
{
    const char *name = yyjson_mut_get_str(key);
    size_t length = yyjson_mut_get_len(key);
    yyjson_mut_val *value = yyjson_mut_obj_iter_get_val(key);
    const api_member *member = api_member_find(structure, name, length);

    if (!member && walk->unknown == API_UNKNOWN_KEEP)
        return true;
    if (yyjson_mut_is_null(value))
        return false;
    if (!member && walk->unknown == API_UNKNOWN_REMOVE)
        return false;

    size_t back = enter_member(walk, name, length);
    bool stays = true;
    if (!member) {
        api_walk_problem(walk, "Member is not known");
    } else {
        uint64_t bit = UINT64_C(1) << (member - &api_members[structure->first]);

        stays = (*seen & bit) == 0;
        *seen |= bit;
        if (stays)
            api_walk_value(walk, &api_shapes[member->shape], value);
    }
    walk->path_length = back;
    return stays;
}

/* NOLINTNEXTLINE(misc-no-recursion): api_walk_value counts the depth */
void api_walk_structure(api_walk *walk, const api_shape *structure, yyjson_mut_val *value, bool payload_given)
{
    yyjson_mut_obj_iter members;
    yyjson_mut_val *key;
    uint64_t seen = 0;

    if (!yyjson_mut_obj_iter_init(value, &members)) {
        if (walk->check_type)
            api_walk_problem(walk, "Member must be an object");
        return;
    }
    while ((key = yyjson_mut_obj_iter_next(&members)) != NULL && !is_over(walk))
        if (!walk_member(walk, structure, key, &seen))
            yyjson_mut_obj_iter_remove(&members);
    if (walk->check_required)
        missing_members(walk, structure, seen, payload_given);
    if (walk->check_type && structure->flags & API_SHAPE_UNION)
        check_union(walk, structure, seen);
}

/* Whether there are as few elements as there may be. */
static bool check_count(api_walk *walk, const api_shape *shape, size_t count)
{
    api_check_limits(walk, shape, (double)count, "length");
    return !(walk->match && shape->flags & API_SHAPE_MAX && (double)count > shape->max);
}

/* NOLINTNEXTLINE(misc-no-recursion) */
static void walk_list(api_walk *walk, const api_shape *shape, yyjson_mut_val *value)
{
    yyjson_mut_arr_iter elements;
    yyjson_mut_val *element;
    size_t index = 0;

    if (!yyjson_mut_arr_iter_init(value, &elements)) {
        if (walk->check_type)
            api_walk_problem(walk, "Member must be a list");
        return;
    }
    if (!check_count(walk, shape, yyjson_mut_arr_size(value)))
        return;
    while ((element = yyjson_mut_arr_iter_next(&elements)) != NULL && !is_over(walk)) {
        size_t back = enter_element(walk, index++);

        if (!yyjson_mut_is_null(element))
            api_walk_value(walk, &api_shapes[shape->first], element);
        else if (walk->check_type)
            api_walk_problem(walk, "Member must not be null");
        walk->path_length = back;
    }
}

/* NOLINTNEXTLINE(misc-no-recursion) */
static void walk_map(api_walk *walk, const api_shape *shape, yyjson_mut_val *value)
{
    yyjson_mut_obj_iter entries;
    yyjson_mut_val *key;

    if (!yyjson_mut_obj_iter_init(value, &entries)) {
        if (walk->check_type)
            api_walk_problem(walk, "Member must be an object");
        return;
    }
    if (!check_count(walk, shape, yyjson_mut_obj_size(value)))
        return;
    while ((key = yyjson_mut_obj_iter_next(&entries)) != NULL && !is_over(walk)) {
        size_t back = enter_member(walk, yyjson_mut_get_str(key), yyjson_mut_get_len(key));
        yyjson_mut_val *entry = yyjson_mut_obj_iter_get_val(key);

        api_walk_value(walk, &api_shapes[shape->first], key);
        if (!yyjson_mut_is_null(entry))
            api_walk_value(walk, &api_shapes[shape->count], entry);
        else if (walk->check_type)
            api_walk_problem(walk, "Member must not be null");
        walk->path_length = back;
    }
}

/* NOLINTNEXTLINE(misc-no-recursion) */
void api_walk_value(api_walk *walk, const api_shape *shape, yyjson_mut_val *value)
{
    if (walk->depth == DEPTH_MAX) {
        api_walk_problem(walk, "Member is nested too deeply");
        return;
    }
    walk->depth++;
    switch ((api_type)shape->type) {
    case API_DOCUMENT:
        break;
    case API_STRUCTURE:
        api_walk_structure(walk, shape, value, false);
        break;
    case API_LIST:
        walk_list(walk, shape, value);
        break;
    case API_MAP:
        walk_map(walk, shape, value);
        break;
    default:
        api_check_scalar(walk, shape, value);
    }
    walk->depth--;
}
