/* api_internal.h - the tables behind api.h, and the walk through a value that all four directions share. */
#ifndef AWS_API_INTERNAL_H
#define AWS_API_INTERNAL_H

#include "aws/api.h"
#include "base/base64.h"

typedef enum api_type {
    API_STRING,
    API_INTEGER, /* 32 bits */
    API_LONG,    /* 64 bits */
    API_FLOAT,
    API_DOUBLE,
    API_BOOLEAN,
    API_TIMESTAMP,
    API_BLOB,
    API_LIST,
    API_MAP,
    API_STRUCTURE,
    API_DOCUMENT, /* any JSON */
} api_type;

typedef enum api_place {
    API_IN_BODY,
    API_IN_LABEL,
    API_IN_QUERY,
    API_IN_HEADER,
    API_IN_STATUS,
    API_IN_PAYLOAD,
} api_place;

typedef enum api_time_format {
    API_TIME_UNIX,    /* a number: seconds, with a fraction where there is one */
    API_TIME_ISO8601, /* "2026-01-02T03:04:05Z" */
} api_time_format;

#define API_SHAPE_UNION 0x01       /* exactly one member */
#define API_SHAPE_SENSITIVE 0x02   /* never to be logged */
#define API_SHAPE_RELAX 0x04       /* the pattern only makes sense on AWS and is not enforced */
#define API_SHAPE_EVENTSTREAM 0x08 /* the members are events */
#define API_SHAPE_EVENT 0x10
#define API_SHAPE_STREAMING 0x20
#define API_SHAPE_MIN 0x40 /* min is a limit */
#define API_SHAPE_MAX 0x80

/* Limits are double because those of numbers may be; those of lengths are all far below 2^53. */
typedef struct api_shape {
    double min, max;
    uint16_t pattern; /* API_NONE */
    uint16_t first;   /* structure: its members; string: enum; list: element; map: key; timestamp: api_time_format */
    uint16_t count;   /* structure, enum: how many; map: the shape of its values */
    uint8_t type;     /* api_type */
    uint8_t flags;
} api_shape;

#define API_MEMBER_REQUIRED 0x01
#define API_MEMBER_TOKEN 0x02 /* clients make a UUID when there is none */

typedef struct api_member {
    uint32_t name;
    uint32_t wire; /* its name in the label, query or header */
    uint16_t shape;
    uint8_t place; /* api_place */
    uint8_t flags;
} api_member;

typedef struct api_error_row {
    uint32_t name;
    uint16_t status;
} api_error_row;

/* One segment of paths.  Literals come before the label among siblings. */
typedef struct api_node {
    uint32_t text;  /* 0: a label */
    uint16_t child; /* the first; API_NONE */
    uint16_t next;  /* sibling; API_NONE */
    uint16_t operations[API_METHOD_COUNT];
} api_node;

extern const char api_text_pool[API_TEXT_BYTES];
extern const api_shape api_shapes[API_SHAPE_COUNT];
extern const api_member api_members[API_MEMBER_COUNT];
extern const uint32_t api_enums[API_ENUM_COUNT];
extern const uint32_t api_patterns[API_PATTERN_COUNT];
extern const uint16_t api_error_uses[API_ERROR_USE_COUNT];
extern const api_error_row api_errors[API_ERROR_COUNT];
extern const api_operation api_operations[API_OPERATION_COUNT];
extern const api_node api_nodes[API_NODE_COUNT];

/* A member of a structure by its name, or NULL. */
const api_member *api_member_find(const api_shape *structure, const char *name, size_t length);

/* ---- times (api_time.c) ---- */

/* ISO 8601 with date, time and zone; AC_ERR_INVALID for anything else and for years outside 1 to 9999. */
ac_status api_time_read(const char *text, size_t length, int64_t *ret_ms) AC_MUST_USE;

#define API_TIME_TEXT_SIZE 25

/* Without a fraction when there is none. */
void api_time_write(int64_t ms, char ret_text[API_TIME_TEXT_SIZE]);

/* Whether the milliseconds are in the years 1 to 9999. */
bool api_time_valid(int64_t ms);

/* Seconds to milliseconds; false when not in those years. */
bool api_time_from_seconds(double seconds, int64_t *ret_ms);

/* ---- patterns (api_pattern.c) ---- */

typedef enum api_match { API_MATCH, API_NO_MATCH, API_MATCH_NOMEM } api_match;

/* Whether the whole of text (UTF-8) matches a pattern of the table, within fixed limits of work and memory; a text that
 * would take more does not match. */
api_match api_pattern_match(uint16_t pattern, const char *text, size_t length);

/* ---- the walk (api_walk.c) ---- */

typedef enum api_unknown {
    API_UNKNOWN_REMOVE,
    API_UNKNOWN_KEEP,
    API_UNKNOWN_REFUSE, /* a problem */
} api_unknown;

typedef enum api_times {
    API_TIMES_TO_WIRE,   /* integers, or ISO 8601, into each member's format */
    API_TIMES_FROM_WIRE, /* of the member's format into integers */
    API_TIMES_FROM_ANY,  /* of any format into integers */
} api_times;

typedef struct api_walk {
    yyjson_mut_doc *doc;
    api_problems *problems;
    api_unknown unknown;
    api_times times;
    bool check_type;                                                       /* types, unions */
    bool check_required;                                                   /* and smallest sizes */
    api_match (*match)(uint16_t pattern, const char *text, size_t length); /* NULL: nor largest sizes, enums */
    bool nomem;
    bool truncated; /* path did not fit */
    size_t depth;
    size_t path_length;
    char path[API_PROBLEM_NAME_MAX];
} api_walk;

/* Check and convert the members of a structure in place.  Whoever calls looks at nomem and problems afterwards.
 * payload_given: the member that is the body is known to be there although it is not in the value. */
void api_walk_structure(api_walk *walk, const api_shape *structure, yyjson_mut_val *value, bool payload_given);
void api_walk_value(api_walk *walk, const api_shape *shape, yyjson_mut_val *value);

/* One more problem, at the current path. */
void api_walk_problem(api_walk *walk, const char *format, ...) AC_PRINTF(2, 3);

/* Checks of one value that is no structure, list or map (api_check.c); it may change the value in place. */
void api_check_scalar(api_walk *walk, const api_shape *shape, yyjson_mut_val *value);

/* Smallest and largest size or value; what is "length" or "value". */
void api_check_limits(api_walk *walk, const api_shape *shape, double size, const char *what);

#endif
