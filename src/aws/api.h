/* api.h - the API table: every AWS operation described once, as data, and both ends of the wire made from it.
 *
 * The descriptions are in api/; the build turns them into constant tables (api_table.h has the operation numbers).
 * Everything here is sans-IO and thread-safe for distinct arguments.
 *
 *     server: api_route -> api_collect -> api_validate -> (handler) -> api_reply or api_error_reply
 *     client: api_build -> (send, receive) -> api_parse
 *
 * In between, an operation's input and output are one JSON object each, its members by name wherever they travel
 * (path, query, headers, body).  In that plain form
 *     - a timestamp is an integer: milliseconds since 1970.  On the wire it has the format of its member;
 *     - a blob is a string in base64, as on the wire; but the blob that is a whole body (api_operation.in_body or
 *       out_body is API_BODY_BLOB) travels beside the JSON as bytes;
 *     - a member that is null is absent. */
#ifndef AWS_API_H
#define AWS_API_H

#include "aws/api_table.h"
#include "aws/view.h"
#include "base/arena.h"
#include "base/json.h"

typedef enum api_method { API_GET, API_POST, API_PUT, API_DELETE, API_PATCH, API_METHOD_COUNT } api_method;
typedef enum api_plane { API_CONTROL_PLANE, API_DATA_PLANE } api_plane;

/* What the body of a request or an answer is. */
typedef enum api_body {
    API_BODY_NONE,
    API_BODY_JSON,   /* an object of the members whose place is the body */
    API_BODY_MEMBER, /* one member's JSON */
    API_BODY_BLOB,   /* one member's bytes */
    API_BODY_EVENTS, /* application/vnd.amazon.eventstream; the member's own members are the events */
} api_body;

#define API_NONE 0xFFFFu /* an index that leads nowhere */

typedef struct api_operation {
    uint32_t name, uri;     /* api_text() */
    uint16_t status;        /* of success */
    uint16_t input, output; /* shapes (api_internal.h) */
    uint16_t errors;        /* those it may answer with: api_error_declared */
    uint16_t in_payload;    /* member that is the whole body, API_NONE */
    uint16_t out_payload;
    uint8_t error_count;
    uint8_t in_body, out_body; /* api_body */
    uint8_t method;            /* api_method */
    uint8_t plane;             /* api_plane */
    bool idempotent;
    bool described; /* false: known by name, method and path only; a server answers that it is not implemented */
    char guide;     /* 'D', 'S', 'O': how near it is to the guide; '-' when it is not described */
    uint8_t label_count;
    uint8_t labels[API_LABELS_MAX]; /* input members, in the order of the path */
} api_operation;

/* A NUL-terminated text of the tables. */
const char *api_text(uint32_t offset);

/* The operation of a number; never NULL for an api_id. */
const api_operation *api_get(api_id id);

/* The operations in order, described ones first: NULL when index is past the last. */
const api_operation *api_at(size_t index);

/* By name, exactly as AWS writes it; NULL when it is neither described nor known. */
const api_operation *api_find(const char *name);

/* The api_id of a described operation. */
api_id api_id_of(const api_operation *op);

const char *api_name(const api_operation *op);

/* The member of the output that is the whole body of an answer; "" when there is none. */
const char *api_out_payload_name(const api_operation *op);

const char *api_method_name(api_method method);

/* The method of a request line; false for those no operation uses. */
bool api_method_find(const char *name, size_t length, api_method *ret_method);

/* Put what is known of an operation into doc, as its root: what client.h says of ac_operation_describe.  False: no
 * memory. */
bool api_describe(const api_operation *op, yyjson_mut_doc *doc) AC_MUST_USE;

/* ---- errors ---- */

/* The HTTP status of an error name; 0 when it is not in the table. */
int api_error_status(const char *name);

/* Whether the operation's description lists the error. */
bool api_error_declared(const api_operation *op, const char *name);

/* What this operation calls a failure: memory says ThrottledException and ServiceException where others say
 * ThrottlingException and InternalServerException, and a conflict is a ValidationException where none is declared.
 * op may be NULL. */
const char *api_error_name(const api_operation *op, ac_status status);

/* ---- routing ---- */

typedef enum api_route_result {
    API_ROUTE_FOUND,
    API_ROUTE_METHOD, /* the path is some operation's, but not with this method */
    API_ROUTE_PATH,   /* no operation has such a path */
} api_route_result;

typedef struct api_route {
    const api_operation *op;
    view labels[API_LABELS_MAX]; /* still percent-encoded; they point into the path */
} api_route;

/* Find the operation of a request.  path is raw, without the query, and split as it is: an encoded slash does not
 * separate.  One slash at the end makes no difference.  ret_route is set for API_ROUTE_FOUND alone. */
api_route_result api_route_find(api_method method, const char *path, size_t length, api_route *ret_route);

/* ---- what is wrong with an input ---- */

#define API_PROBLEMS_MAX 32      /* more are not looked for */
#define API_PROBLEM_NAME_MAX 256 /* bytes of a name; a longer one is cut */

typedef struct api_problem {
    const char *name;    /* agentRuntimeArtifact.containerConfiguration.containerUri, entryPoint[1], tags.team */
    const char *message; /* "Member must have length less than or equal to 48" */
} api_problem;

typedef struct api_problems {
    size_t count;
    api_problem items[API_PROBLEMS_MAX];
    arena texts;
} api_problems;

#define API_PROBLEMS_INIT ((api_problems){.texts = ARENA_INIT})

/* As a cleanup: _cleanup_(api_problems_done). */
void api_problems_done(api_problems *problems);

/* The sentence of the exception: "1 validation error detected: Value at 'x' failed to satisfy constraint: ...".
 * Values are never repeated in it, since they may be secret.  Cut at a character boundary when it does not fit. */
void api_problems_text(const api_problems *problems, char *ret_text, size_t size);

/* ---- server ---- */

#define API_BODY_DEPTH_MAX 100   /* nesting of a JSON body */
#define API_QUERY_PAIRS_MAX 1024 /* name=value pairs of a query */

/* The value of a header by name (any case), or NULL. */
typedef const char *(*api_header_fn)(void *data, const char *name, size_t *ret_length);

/* A request as it came. */
typedef struct api_source {
    const char *query; /* raw, without the '?'; NULL for none */
    size_t query_length;
    api_header_fn header;
    void *data;
    const char *body;
    size_t body_length;
} api_source;

typedef struct api_input {
    yyjson_mut_doc *doc; /* the root is the object of all members */
    view payload;        /* the body, when it is a blob; points into the source */
} api_input;

void api_input_done(api_input *input);

/* Put a request's members together.  Labels are decoded; query, header and label members become numbers, booleans and
 * lists where their type says so and the text can be one.  Members of the body whose place is elsewhere, and those that
 * nobody knows, are left out; so are parameters and headers that nobody knows.  '+' in a query is a plus sign.
 * What comes out is in wire form still: api_validate is the next step.
 * Errors: AC_ERR_PROTOCOL (the body is not a JSON object, percent-encoding or UTF-8 is broken, too many parameters:
 * ValidationException with reason CannotParse), AC_ERR_NOMEM. */
ac_status api_collect(const api_route *route, const api_source *source, api_input *ret_input, ac_error *err)
    AC_MUST_USE;

/* Check everything that the description says of an input, and bring it into plain form: timestamps become integers,
 * members that nobody knows and nulls are removed, of members given twice the first stays.  To be called once.
 * Errors: AC_ERR_INVALID (problems says what: ValidationException with reason FieldValidationFailed; the input is then
 * of no use), AC_ERR_NOMEM. */
ac_status api_validate(const api_operation *op, api_input *input, api_problems *problems, ac_error *err) AC_MUST_USE;

#define API_HEADERS_MAX 24

typedef struct api_header {
    const char *name;
    const char *value; /* printable, no line breaks */
} api_header;

typedef struct api_response {
    int status;
    size_t header_count;
    api_header headers[API_HEADERS_MAX]; /* with Content-Type when there is a body; without its length */
    buf body;                            /* empty for API_BODY_BLOB and API_BODY_EVENTS, which the caller sends */
    arena texts;                         /* values of headers */
} api_response;

void api_response_done(api_response *response);

/* Make the answer of an operation from its output in plain form.  The root of output is changed on the way: nulls and
 * members that nobody knows are removed, timestamps take their wire format.  NULL stands for {}.  body_bytes_max caps
 * the body.  Errors: AC_ERR_INTERNAL (a member does not have its type, a header value cannot be one), AC_ERR_TOO_LARGE,
 * AC_ERR_NOMEM. */
ac_status api_reply(const api_operation *op, yyjson_mut_doc *output, size_t body_bytes_max, api_response *ret_response,
                    ac_error *err) AC_MUST_USE;

typedef struct api_failure {
    const char *name;             /* "ConflictException" */
    int status;                   /* 0: that of the table, or 500 */
    const char *message;          /* NULL: the name */
    const char *reason;           /* of a ValidationException; NULL: none */
    const api_problems *problems; /* fieldList; may be NULL */
} api_failure;

/* Make the answer to a request that failed: status, x-amzn-errortype, and {"message", "reason", "fieldList"}. */
ac_status api_error_reply(const api_failure *failure, api_response *ret_response) AC_MUST_USE;

/* Append the JSON of one event (a member of the output's event stream) to out; its value is changed as in api_reply.
 * AC_ERR_INVALID when the operation has no such event, otherwise as api_reply. */
ac_status api_event_write(const api_operation *op, const char *event, yyjson_mut_doc *value, buf *out, ac_error *err)
    AC_MUST_USE;

/* ---- client ---- */

typedef struct api_request {
    const char *method;
    buf path;  /* encoded, without query */
    buf query; /* encoded, without '?' */
    size_t header_count;
    api_header headers[API_HEADERS_MAX];
    view body; /* in text, or the caller's payload */
    buf text;
    arena texts;
} api_request;

void api_request_done(api_request *request);

/* Make a request from an input in plain form (NULL: {}).  payload is the body of an operation whose in_body is
 * API_BODY_BLOB; when it is NULL, the member may be in the input in base64.  Missing idempotency tokens are made.  A
 * timestamp may also be an ISO 8601 text.  Checked are names, types, required members and smallest sizes, as AWS
 * clients do; the rest is the server's.
 * Errors: AC_ERR_INVALID (err names the member), AC_ERR_UNSUPPORTED (the operation is not described), AC_ERR_NOMEM. */
ac_status api_build(const api_operation *op, yyjson_val *input, const view *payload, api_request *ret_request,
                    ac_error *err) AC_MUST_USE;

/* An answer as it came.  body is not looked at when the status is a success and out_body is API_BODY_EVENTS. */
typedef struct api_answer {
    int status;
    api_header_fn header;
    void *data;
    const char *body;
    size_t body_length;
    bool keep_blob; /* do not put a blob that is the body into the JSON: the caller has its bytes */
} api_answer;

/* Read an answer into an output in plain form (to be freed by the caller).  Unknown members stay.  For an answer that
 * is an error: its ac_status, with err->aws_name, message and http_status.
 * Errors beside those: AC_ERR_PROTOCOL (the body is not what it should be), AC_ERR_NOMEM. */
ac_status api_parse(const api_operation *op, const api_answer *answer, yyjson_mut_doc **ret_output, ac_error *err)
    AC_MUST_USE;

/* Fill err from the answer to a request that failed, by x-amzn-errortype, then the body's code or __type. */
ac_status api_parse_error(const api_answer *answer, ac_error *err) AC_MUST_USE;

/* Read the JSON of one event into plain form. */
ac_status api_event_read(const api_operation *op, const char *event, size_t event_length, const char *text,
                         size_t length, yyjson_mut_doc **ret_value, ac_error *err) AC_MUST_USE;

#endif
