/* cors.c - cross-origin resource sharing (the Fetch standard, section 3.2), as middleware.
 *
 * A preflight is answered here, with 200 or with 400 and what was wrong, and never reaches a handler.  Other answers
 * are marked before the handler runs, so that streams and errors carry the marks too.  Vary names Origin whenever
 * another origin would have been answered differently. */
#include "app/app_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_AGE_DEFAULT 600
#define METHODS_DEFAULT "GET, POST"
#define METHODS_ALL "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"
#define HEADERS_SAFE "Accept, Accept-Language, Content-Language, Content-Type"
#define VARY_PREFLIGHT "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"

struct app_cors {
    app_cors *next;
    char *origins;
    char *methods;
    char *headers; /* with the safe ones */
    char *exposed; /* or NULL */
    bool any_origin;
    bool any_header;
    bool credentials;
    char max_age[16];
};

void cors_free(app_cors *cors)
{
    while (cors) {
        app_cors *next = cors->next;
        free(cors->origins);
        free(cors->methods);
        free(cors->headers);
        free(cors->exposed);
        free(cors);
        cors = next;
    }
}

/* With one answer for all origins, none needs to be named. */
static bool names_origin(const app_cors *cors)
{
    return !cors->any_origin || cors->credentials;
}

static bool origin_allowed(const app_cors *cors, const char *origin)
{
    return cors->any_origin || list_has(cors->origins, origin, strlen(origin), false);
}

static ac_status mark_origin(const app_cors *cors, ac_reply *reply, const char *origin)
{
    AC_TRY(ac_reply_set_header(reply, "Access-Control-Allow-Origin", names_origin(cors) ? origin : "*"));
    if (cors->credentials)
        AC_TRY(ac_reply_set_header(reply, "Access-Control-Allow-Credentials", "true"));
    return AC_OK;
}

/* ---- preflight ---- */

static bool headers_allowed(const app_cors *cors, const char *asked)
{
    while (*asked) {
        asked += strspn(asked, " \t,");
        size_t length = strcspn(asked, ",");
        size_t trimmed = length;
        while (trimmed > 0 && (asked[trimmed - 1] == ' ' || asked[trimmed - 1] == '\t'))
            trimmed--;
        if (trimmed > 0 && !list_has(cors->headers, asked, trimmed, true))
            return false;
        asked += length;
    }
    return true;
}

static void add_failure(char *text, size_t size, const char *what)
{
    size_t length = strlen(text);

    snprintf(text + length, size - length, "%s%s", length ? ", " : "Disallowed CORS ", what);
}

static ac_status answer_preflight(const app_cors *cors, ac_request *request, ac_reply *reply, const char *origin,
                                  const char *method)
{
    const char *headers = ac_request_header(request, "Access-Control-Request-Headers");
    const char *granted = cors->any_header ? headers : cors->headers;
    char failures[64] = "";

    AC_TRY(ac_reply_set_header(reply, "Vary", VARY_PREFLIGHT));
    AC_TRY(ac_reply_set_header(reply, "Access-Control-Allow-Methods", cors->methods));
    AC_TRY(ac_reply_set_header(reply, "Access-Control-Max-Age", cors->max_age));
    if (granted)
        AC_TRY(ac_reply_set_header(reply, "Access-Control-Allow-Headers", granted));
    if (origin_allowed(cors, origin))
        AC_TRY(mark_origin(cors, reply, origin));
    else
        add_failure(failures, sizeof(failures), "origin");
    if (!list_has(cors->methods, method, strlen(method), false))
        add_failure(failures, sizeof(failures), "method");
    if (headers && !cors->any_header && !headers_allowed(cors, headers))
        add_failure(failures, sizeof(failures), "headers");
    return failures[0] ? reply_text(reply, 400, failures) : reply_text(reply, 200, "OK");
}

/* ---- as middleware ---- */

static ac_status cors_before(ac_request *request, ac_reply *reply, void *user)
{
    const app_cors *cors = user;
    const char *origin = ac_request_header(request, "Origin");
    const char *method = ac_request_header(request, "Access-Control-Request-Method");

    if (origin && method && strcmp(ac_request_method(request), "OPTIONS") == 0)
        return answer_preflight(cors, request, reply, origin, method);
    if (names_origin(cors))
        AC_TRY(ac_reply_set_header(reply, "Vary", "Origin"));
    if (!origin || !origin_allowed(cors, origin))
        return AC_OK;
    if (cors->exposed)
        AC_TRY(ac_reply_set_header(reply, "Access-Control-Expose-Headers", cors->exposed));
    return mark_origin(cors, reply, origin);
}

/* A handler that set Vary itself meant to add to it. */
static void cors_after(ac_request *request, ac_reply *reply, void *user)
{
    const char *vary = reply_get_header(reply, "Vary");
    char *both;

    if (!names_origin(user) || (vary && (list_has(vary, "Origin", 6, true) || strcmp(vary, "*") == 0)))
        return;
    if (!vary) {
        (void)ac_reply_set_header(reply, "Vary", "Origin"); /* too late in a stream, which has it from before */
        return;
    }
    both = ac_request_alloc(request, strlen(vary) + sizeof(", Origin"));
    if (both) {
        stpcpy(stpcpy(both, vary), ", Origin");
        (void)ac_reply_set_header(reply, "Vary", both);
    }
}

/* ---- options ---- */

static char *join_lists(const char *first, const char *second)
{
    char *joined = malloc(strlen(first) + strlen(second) + 3);

    if (joined)
        stpcpy(stpcpy(stpcpy(joined, first), first[0] && second[0] ? ", " : ""), second);
    return joined;
}

static app_cors *cors_new(const ac_cors_options *options)
{
    app_cors *cors = calloc(1, sizeof(*cors));
    const char *origins = options->allow_origins ? options->allow_origins : "*";
    const char *methods = options->allow_methods ? options->allow_methods : METHODS_DEFAULT;
    const char *headers = options->allow_headers ? options->allow_headers : "*";

    if (!cors)
        return NULL;
    cors->any_origin = list_has(origins, "*", 1, false);
    cors->any_header = list_has(headers, "*", 1, false);
    cors->credentials = options->allow_credentials;
    cors->origins = strdup(origins);
    cors->methods = strdup(list_has(methods, "*", 1, false) ? METHODS_ALL : methods);
    cors->headers = join_lists(HEADERS_SAFE, headers);
    cors->exposed = options->expose_headers ? strdup(options->expose_headers) : NULL;
    snprintf(cors->max_age, sizeof(cors->max_age), "%u",
             options->max_age_seconds ? options->max_age_seconds : MAX_AGE_DEFAULT);
    if (!cors->origins || !cors->methods || !cors->headers || (options->expose_headers && !cors->exposed)) {
        cors_free(cors);
        return NULL;
    }
    return cors;
}

ac_status ac_app_cors(ac_app *app, const ac_cors_options *options)
{
    static const ac_cors_options defaults = {0};

    AC_TRY(app_may_register(app));
    app_cors *cors = cors_new(options ? options : &defaults);
    if (!cors)
        return AC_ERR_NOMEM;
    if (!http_field_valid("Access-Control-Allow-Methods", cors->methods) ||
        !http_field_valid("Access-Control-Allow-Headers", cors->headers) ||
        (cors->exposed && !http_field_valid("Access-Control-Expose-Headers", cors->exposed))) {
        cors_free(cors);
        return AC_ERR_INVALID;
    }

    ac_status status =
        ac_app_middleware(app, &(ac_middleware){.before = cors_before, .after = cors_after, .user = cors});
    if (status != AC_OK) {
        cors_free(cors);
        return status;
    }
    cors->next = app->cors;
    app->cors = cors;
    return AC_OK;
}
