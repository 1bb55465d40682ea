/* rooms_client.h - a front with rooms behind it, and a client that signs: requests go through all of it, from the HTTP
 * parser to the store, without sockets. */
#ifndef TESTS_DAEMON_ROOMS_CLIENT_H
#define TESTS_DAEMON_ROOMS_CLIENT_H

#include "daemon/code/code.h"
#include "daemon/front/front_internal.h"
#include "store_fixture.h"

#define ROOMS_ACCOUNT "123456789012"
#define ROOMS_REGION "us-west-2"

typedef struct rooms {
    fixture *fixture;
    code_room code;
    keys *keys;
    workers *workers;
    front *front;
    arena memory; /* of what calls return; lives as long as the test */
    char access_key[SIGV4_ACCESS_KEY_MAX + 1];
    buf secret;
    const char *region;     /* that the client signs for; may be changed */
    const char *use_key;    /* in place of access_key when not NULL */
    const char *use_secret; /* likewise */
    bool unsigned_requests;
    const char *bearer; /* a token to send instead of a signature */
    const char *extra;  /* lines of headers that no signature covers, each with its end; NULL: none */
} rooms;

/* An answer, whatever it is. */
typedef struct rooms_answer {
    int status;
    const char *type; /* x-amzn-errortype, NULL when there is none */
    const char *body; /* as it came, NUL-terminated */
    size_t body_length;
    yyjson_val *json; /* of the body; NULL when it is none */
} rooms_answer;

/* For cmocka_unit_test_setup_teardown; *state is a rooms. */
int rooms_set_up(void **state);
int rooms_tear_down(void **state);

/* Send a request as it stands; query and body may be NULL. */
rooms_answer rooms_send(rooms *r, const char *method, const char *path, const char *query, const char *body);

/* Call an operation with an input in JSON: built from the table as a client does. */
rooms_answer rooms_call(rooms *r, const char *operation, const char *input);

/* Several calls that the daemon handles side by side. */
#define ROOMS_AT_ONCE_MAX 16
void rooms_call_at_once(rooms *r, const char *operation, const char *const *inputs, size_t count,
                        rooms_answer *ret_answers);

/* As rooms_call, and the answer must be a success: its output in plain form. */
yyjson_mut_val *rooms_good(rooms *r, const char *operation, const char *input);

/* The same, and the answer must be this exception. */
rooms_answer rooms_bad(rooms *r, const char *operation, const char *input, int status, const char *name);

/* Text in r->memory. */
const char *rooms_format(rooms *r, const char *format, ...) AC_PRINTF(2, 3);

/* The text member of an output. */
#define text_of(output, member) yyjson_mut_get_str(yyjson_mut_obj_get(output, member))

#endif
